// Chromium as a WHIP client that trickles: offers audio beside a camera's picture and a data channel
// before it knows its own addresses, sends them as it finds them, talks, hangs up.
// Usage: node chromium_whip.mjs SOFTPHONE_URL WHIP_URL RECORDING
import { writeFileSync } from "node:fs";
import { launch } from "./browser.mjs";

const [softphone, whip, recording] = process.argv.slice(2);
const browser = await launch();
try {
  const page = await browser.newPage();
  // Any page of the same origin will do.
  await page.goto(softphone);
  const seen = await page.evaluate(async url => {
    const microphone = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    for (const track of microphone.getTracks()) {
      peer.addTransceiver(track, { direction: "sendonly", streams: [microphone] });
    }
    peer.createDataChannel("unused");
    const found = [];
    let patch = () => {};
    peer.onicecandidate = ({ candidate }) => { found.push(candidate); patch(); };
    await peer.setLocalDescription();
    const offered = await fetch(url, {
      method: "POST", headers: { "Content-Type": "application/sdp" }, body: peer.localDescription.sdp,
    });
    if (offered.status !== 201) throw new Error(`${offered.status} ${await offered.text()}`);
    const session = new URL(offered.headers.get("Location"), url).href;
    const tag = offered.headers.get("ETag");
    const patches = [];
    patch = () => {
      for (const candidate of found.splice(0)) {
        const line = candidate ? candidate.candidate : "end-of-candidates";
        patches.push(fetch(session, {
          method: "PATCH",
          headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": tag },
          body: `m=audio 9 RTP/AVP 0\r\na=mid:0\r\na=${line}\r\n`,
        }));
      }
    };
    patch();
    await peer.setRemoteDescription({ type: "answer", sdp: await offered.text() });
    const stats = async kind => [...(await peer.getStats()).values()].find(each => kind(each));
    const audio = each => each.type === "outbound-rtp" && each.kind === "audio";
    const until = performance.now() + 30_000;
    while (!((await stats(audio))?.packetsSent >= 250)) {
      if (performance.now() > until) throw new Error(`it is ${peer.connectionState} and does not talk`);
      await new Promise(later => setTimeout(later, 100));
    }
    const { tlsVersion, srtpCipher } = await stats(each => each.type === "transport");
    const { packetsSent } = await stats(audio);
    const trickled = (await Promise.all(patches)).map(each => each.status);
    if (!trickled.length || trickled.some(status => status !== 204)) throw new Error(`${trickled}`);
    const gone = await fetch(session, { method: "DELETE" });
    if (gone.status !== 200) throw new Error(`DELETE: ${gone.status}`);
    peer.close();
    const conversation = offered.headers.get("Conversation-Id");
    return { conversation, packetsSent, tlsVersion, srtpCipher, trickled: trickled.length };
  }, whip);
  const audio = new URL(`/softphone/recordings/${seen.conversation}`, softphone).href;
  let answer;
  for (let tries = 0; tries < 20; tries++) {
    answer = await page.request.get(audio);
    if (answer.ok()) break;
    await new Promise(later => setTimeout(later, 250));
  }
  if (!answer.ok()) throw new Error(`no recording: ${answer.status()}`);
  writeFileSync(recording, await answer.body());
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}
