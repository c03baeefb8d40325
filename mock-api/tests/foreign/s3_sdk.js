// The S3 endpoint as AWS's SDK for JavaScript sees it. Needs the npm packages @aws-sdk/client-s3 and
// @aws-sdk/lib-storage, and a mock whose S3_ENDPOINT, S3_ACCESS_KEY, S3_SECRET_KEY and S3_BUCKET are
// in the environment.

const assert = require('node:assert')
const crypto = require('node:crypto')
const { Readable } = require('node:stream')
const s3 = require('@aws-sdk/client-s3')
const { Upload } = require('@aws-sdk/lib-storage')

const Bucket = process.env.S3_BUCKET
const clientOf = (region, options = {}) =>
  new s3.S3Client({
    endpoint: process.env.S3_ENDPOINT,
    region,
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: {
      accessKeyId: process.env.S3_ACCESS_KEY,
      secretAccessKey: process.env.S3_SECRET_KEY,
    },
    ...options,
  })
const client = clientOf('us-east-1')
const send = (Command, input) => client.send(new Command({ Bucket, ...input }))

async function refused(name, call) {
  await assert.rejects(call, (error) => error.name === name || assert.fail(`${error.name}: ${error}`))
}

async function read(Key, more = {}) {
  const got = await send(s3.GetObjectCommand, { Key, ...more })
  return [Buffer.from(await got.Body.transformToByteArray()), got]
}

const SUMS = {
  ChecksumCRC32: 'y/Q5Jg==',
  ChecksumCRC32C: '4waSgw==',
  ChecksumCRC64NVME: 'rosUhgp5mIg=',
  ChecksumSHA1: '98O8HYCOBHMq32eZZczDTKeuNEE=',
  ChecksumSHA256: 'FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=',
}

async function checksums() {
  for (const [field, value] of Object.entries(SUMS)) {
    const Key = `sdk/${field}`
    await send(s3.PutObjectCommand, { Key, Body: '123456789', [field]: value })
    const head = await send(s3.HeadObjectCommand, { Key, ChecksumMode: 'ENABLED' })
    assert.strictEqual(head[field], value)
    // The SDK verifies what it reads by default.
    assert.strictEqual((await read(Key))[0].toString(), '123456789')
    const bad = { Key: `${Key}-bad`, Body: '12345678?', [field]: value }
    await refused('BadDigest', () => send(s3.PutObjectCommand, bad))
    await refused('NotFound', () => send(s3.HeadObjectCommand, { Key: bad.Key }))
  }
  // A stream has its checksum behind it, in a trailer.
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256']) {
    const Key = `sdk/stream/${ChecksumAlgorithm}`
    const body = { Body: Readable.from([Buffer.from('123456789')]), ContentLength: 9 }
    await send(s3.PutObjectCommand, { Key, ...body, ChecksumAlgorithm, ContentEncoding: 'gzip' })
    const head = await send(s3.HeadObjectCommand, { Key, ChecksumMode: 'ENABLED' })
    const field = `Checksum${ChecksumAlgorithm}`
    assert.strictEqual(head[field], SUMS[field])
    assert.strictEqual(head.ContentEncoding, 'gzip')
  }
  console.log('ok checksums')
}

async function uploads() {
  const body = crypto.randomBytes(12 << 20)
  const upload = new Upload({
    client,
    params: { Bucket, Key: 'sdk/big ü+', Body: Readable.from([body]), ContentDisposition: 'inline' },
    partSize: 5 << 20,
  })
  await upload.done()
  const [whole, got] = await read('sdk/big ü+')
  assert.ok(whole.equals(body) && got.ETag.endsWith('-3"') && got.ContentDisposition === 'inline')
  const [third, part] = await read('sdk/big ü+', { PartNumber: 3 })
  assert.ok(third.equals(body.subarray(10 << 20)) && part.PartsCount === 3)
  const { UploadId } = await send(s3.CreateMultipartUploadCommand, { Key: 'sdk/open' })
  const all = await send(s3.ListMultipartUploadsCommand, { Prefix: 'sdk/' })
  assert.deepStrictEqual(all.Uploads.map((each) => each.UploadId), [UploadId])
  const source = { CopySource: `${Bucket}/sdk/${encodeURIComponent('big ü+')}` }
  const copied = await send(s3.UploadPartCopyCommand, { Key: 'sdk/open', UploadId, PartNumber: 1, ...source })
  const parts = await send(s3.ListPartsCommand, { Key: 'sdk/open', UploadId })
  assert.deepStrictEqual(parts.Parts.map((each) => each.Size), [body.length])
  const Parts = [{ PartNumber: 1, ETag: copied.CopyPartResult.ETag }]
  await send(s3.CompleteMultipartUploadCommand, { Key: 'sdk/open', UploadId, MultipartUpload: { Parts } })
  assert.ok((await read('sdk/open'))[0].equals(body))
  const attributes = await send(s3.GetObjectAttributesCommand, {
    Key: 'sdk/big ü+',
    ObjectAttributes: ['ETag', 'Checksum', 'ObjectParts', 'ObjectSize'],
  })
  assert.strictEqual(attributes.ObjectSize, body.length)
  assert.strictEqual(attributes.ObjectParts.TotalPartsCount, 3)
  console.log('ok uploads')
}

async function refusals() {
  await refused('NoSuchKey', () => read('sdk/none'))
  await refused('NoSuchBucket', () => send(s3.ListObjectsV2Command, { Bucket: 'no-such-bucket' }))
  const elsewhere = clientOf('eu-west-1')
  await refused('AuthorizationHeaderMalformed', () => elsewhere.send(new s3.ListBucketsCommand({})))
  // A client that may follow signs again for the region that it is told.
  const follows = clientOf('eu-west-1', { followRegionRedirects: true })
  await follows.send(new s3.HeadBucketCommand({ Bucket }))
  console.log('ok refusals')
}

async function cleanup() {
  const listed = await send(s3.ListObjectsV2Command, { Prefix: 'sdk/' })
  const Objects = listed.Contents.map(({ Key }) => ({ Key }))
  const deleted = await send(s3.DeleteObjectsCommand, { Delete: { Objects } })
  assert.strictEqual(deleted.Deleted.length, Objects.length)
  console.log('ok cleanup')
}

async function main() {
  for (const step of [checksums, uploads, refusals, cleanup]) await step()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
