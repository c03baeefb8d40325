// The S3 endpoint as minio-js sees it. Needs the npm package minio, and a mock whose S3_ENDPOINT,
// S3_ACCESS_KEY, S3_SECRET_KEY and S3_BUCKET are in the environment.

const assert = require('node:assert')
const crypto = require('node:crypto')
const { Client, CopyConditions } = require('minio')

const at = new URL(process.env.S3_ENDPOINT)
const bucket = process.env.S3_BUCKET
const client = (secretKey) =>
  new Client({
    endPoint: at.hostname,
    port: Number(at.port),
    useSSL: false,
    accessKey: process.env.S3_ACCESS_KEY,
    secretKey,
  })

async function bytes(stream) {
  const pieces = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces)
}

async function refused(code, call) {
  await assert.rejects(call, (error) => error.code === code || assert.fail(`${error.code}: ${error}`))
}

async function main() {
  const s3 = client(process.env.S3_SECRET_KEY)
  assert.strictEqual(await s3.bucketExists(bucket), true)
  assert.strictEqual(await s3.bucketExists('no-such-bucket'), false)
  const body = crypto.randomBytes(12 << 20)
  const said = { 'Content-Type': 'audio/ogg', 'Content-Disposition': 'inline', 'X-Amz-Meta-A': 'b' }
  for (const [key, content] of [['minio/ü +%20&.opus', Buffer.from('small')], ['minio/big', body]]) {
    await s3.putObject(bucket, key, content, content.length, said)
    const stat = await s3.statObject(bucket, key)
    assert.strictEqual(stat.size, content.length)
    assert.strictEqual(stat.metaData.a, 'b')
    assert.strictEqual(stat.metaData['content-type'], 'audio/ogg')
    assert.ok((await bytes(await s3.getObject(bucket, key))).equals(content), key)
  }
  const part = await bytes(await s3.getPartialObject(bucket, 'minio/big', 100, 10))
  assert.ok(part.equals(body.subarray(100, 110)))
  console.log('ok put, stat, get')

  await s3.copyObject(bucket, 'minio/copy', `/${bucket}/minio/big`, new CopyConditions())
  assert.ok((await bytes(await s3.getObject(bucket, 'minio/copy'))).equals(body))
  const id = await s3.initiateNewMultipartUpload(bucket, 'minio/open', {})
  const found = []
  for await (const upload of s3.listIncompleteUploads(bucket, 'minio/', true)) found.push(upload)
  assert.deepStrictEqual(found.map((upload) => upload.key), ['minio/open'])
  assert.strictEqual(found[0].uploadId, id)
  await s3.removeIncompleteUpload(bucket, 'minio/open')
  console.log('ok copy, uploads under way')

  const url = await s3.presignedGetObject(bucket, 'minio/big', 60)
  assert.ok(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(body))
  await refused('NoSuchKey', () => s3.getObject(bucket, 'minio/none'))
  await refused('NoSuchBucket', () => s3.getObject('no-such-bucket', 'k'))
  await refused('SignatureDoesNotMatch', () => client('wrong').getObject(bucket, 'minio/big'))
  const keys = []
  for await (const object of s3.listObjectsV2(bucket, 'minio/', true)) keys.push(object.name)
  assert.deepStrictEqual(keys.sort(), ['minio/big', 'minio/copy', 'minio/ü +%20&.opus'].sort())
  await s3.removeObjects(bucket, keys)
  for await (const object of s3.listObjectsV2(bucket, 'minio/', true)) assert.fail(object.name)
  console.log('ok presigned, refusals, cleanup')
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
