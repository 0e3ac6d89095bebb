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

  // The stream stays open: Chromium 156 crashes now and then if a session ends while a stream is being closed.
  await send(await session.createUnidirectionalStream(), "close, please");
  seen.closed = await session.closed;

  const other = open("/other", ["moqt-18"]);
  await other.ready;
  other.close({ closeCode: 9, reason: "that is all" });
  await other.closed;

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
