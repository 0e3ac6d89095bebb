// Everything that a session can do, against the handler of test_chromium.py.

import { open, report } from "./connect.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

async function text(readable) {
  let all = "";
  for await (const chunk of readable) all += decoder.decode(chunk, { stream: true });
  return all;
}

async function send(writable, data) {
  const writer = writable.getWriter();
  await writer.write(encoder.encode(data));
  return writer;
}

async function streamErrorCode(promise) {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return error.streamErrorCode;
  }
}

// How a session ends that the server closes while a request is open and streams are being closed. It is to
// end in the same way every time: Chromium 156 crashed here when the FIN came with the reason.
async function ended() {
  const session = open("/busy", ["moqt-18"]);
  await session.ready;
  const request = await session.createBidirectionalStream();
  request.readable.getReader().read().catch(() => {});
  let over = false;
  const end = session.closed.finally(() => (over = true));
  const publish = async () => (await send(await session.createUnidirectionalStream(), "object")).close();
  while (!over) {
    publish().catch(() => {}); // the session may be gone
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const { closeCode, reason } = await end;
  return `${closeCode} ${reason}`;
}

report(async (seen) => {
  const session = open("/all?room=1", ["moqt-99", "moqt-16", "moqt-18"]);
  await session.ready;
  seen.protocol = session.protocol;

  const unis = session.incomingUnidirectionalStreams.getReader();
  const bidis = session.incomingBidirectionalStreams.getReader();
  const datagrams = session.datagrams.readable.getReader();

  const both = await session.createBidirectionalStream();
  await (await send(both.writable, "echo me")).close();
  seen.echo = await text(both.readable);

  await (await send(await session.createUnidirectionalStream(), "uni, please")).close();
  seen.uni = await text((await unis.read()).value);

  await (await send(await session.createUnidirectionalStream(), "bidi, please")).close();
  const asked = (await bidis.read()).value;
  seen.question = decoder.decode((await asked.readable.getReader().read()).value);
  await (await send(asked.writable, "answered")).close();

  await session.datagrams.writable.getWriter().write(encoder.encode("datagram"));
  seen.datagram = decoder.decode((await datagrams.read()).value);

  const given = await send(await session.createUnidirectionalStream(), "x");
  await given.abort(new WebTransportError({ message: "given up", streamErrorCode: 7 }));

  await (await send(await session.createUnidirectionalStream(), "begin, please")).close();
  const begun = (await unis.read()).value.getReader();
  await begun.read();
  await (await send(await session.createUnidirectionalStream(), "reset, please")).close();
  seen.reset = await streamErrorCode(begun.read());

  const unwanted = await send(await session.createUnidirectionalStream(), "stop me");
  seen.stopped = await streamErrorCode(unwanted.closed);

  session.close({ closeCode: 9, reason: "that is all" });
  await session.closed;

  seen.ends = [];
  for (let round = 0; round < 10; round++) seen.ends.push(await ended());

  for (const [name, path, protocols] of [
    ["wrongProtocol", "/all", ["moqt-99"]],
    ["noProtocol", "/all", []],
    ["wrongPath", "/nowhere", ["moqt-18"]],
  ]) {
    const refused = open(path, protocols);
    refused.closed.catch(() => {});
    seen[name] = await refused.ready.then(
      () => "accepted",
      (error) => error.name,
    );
  }
});
