// As much of MoQT draft-18 as publishes and subscribes to one track each: a peer that shares no code with the
// relay. One object per group, one stream per object.

const SETUP = 0x2f00;
const SUBSCRIBE = 0x3;
const SUBSCRIBE_OK = 0x4;
const REQUEST_OK = 0x7;
const PUBLISH = 0x1d;
const SUBGROUP = 0x30; // subgroup 0, no properties, the priority of the track

const encoder = new TextEncoder();

// Section 1.4.1: the leading ones of the first byte say how many bytes follow it.
export function vi64(value) {
  let length = 1;
  while (length < 7 && value >= 2 ** (7 * length)) length++;
  const bytes = [];
  for (let rest = value, left = length; left > 0; left--, rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  bytes[0] |= (0xff00 >> (length - 1)) & 0xff;
  return bytes;
}

function text(value) {
  const bytes = encoder.encode(value);
  return [...vi64(bytes.length), ...bytes];
}

function fullName({ namespace, name }) {
  return [...vi64(namespace.length), ...namespace.flatMap(text), ...text(name)];
}

function message(type, payload) {
  return Uint8Array.from([...vi64(type), payload.length >> 8, payload.length & 0xff, ...payload]);
}

// Reads a stream by numbers, bytes and messages.
class Reader {
  constructor(readable) {
    this.chunks = readable.getReader();
    this.buffer = new Uint8Array();
  }

  // False at the end of the stream.
  async fill(length) {
    while (this.buffer.length < length) {
      const { value, done } = await this.chunks.read();
      if (done) return false;
      this.buffer = Uint8Array.from([...this.buffer, ...value]);
    }
    return true;
  }

  async bytes(length) {
    if (!(await this.fill(length))) throw Error("the stream ends too early");
    const taken = this.buffer.slice(0, length);
    this.buffer = this.buffer.slice(length);
    return taken;
  }

  async vi64() {
    const first = (await this.bytes(1))[0];
    const more = Math.clz32(~(first << 24));
    let value = more < 7 ? first & (0x7f >> more) : 0;
    for (const byte of await this.bytes(more)) value = value * 256 + byte;
    return value;
  }

  async message() {
    const type = await this.vi64();
    const [high, low] = await this.bytes(2);
    const body = new Reader(new Blob([await this.bytes(high * 256 + low)]).stream());
    return { type, body };
  }
}

async function write(writable, data) {
  const writer = writable.getWriter();
  await writer.write(data);
  return writer;
}

export class Moqt {
  constructor(transport) {
    this.transport = transport;
    this.requests = 0;
    this.tracks = new Map(); // by alias: who gets the objects
    this.early = new Map(); // by alias: objects that overtook their SUBSCRIBE_OK
  }

  async open() {
    await this.transport.ready;
    this.control = await write(await this.transport.createUnidirectionalStream(), message(SETUP, []));
    const streams = this.transport.incomingUnidirectionalStreams.getReader();
    const { value } = await streams.read();
    const control = new Reader(value);
    const { type } = await control.message();
    if (type !== SETUP) throw Error(`message ${type} instead of SETUP`);
    this.#accept(streams);
  }

  async #accept(streams) {
    for (;;) {
      const { value, done } = await streams.read();
      if (done) return;
      this.#subgroup(new Reader(value)).catch(console.error);
    }
  }

  async #subgroup(reader) {
    const type = await reader.vi64();
    const alias = await reader.vi64();
    const group = await reader.vi64();
    if ((type & 0x06) === 0x04) await reader.vi64(); // the subgroup's ID
    if (!(type & 0x20)) await reader.bytes(1); // its priority
    for (let id = -1; await reader.fill(1); ) {
      id += 1 + (await reader.vi64());
      if (type & 0x01) await reader.bytes(await reader.vi64()); // properties
      const length = await reader.vi64();
      if (length === 0) await reader.vi64(); // its status
      const object = { group, id, payload: new TextDecoder().decode(await reader.bytes(length)) };
      const track = this.tracks.get(alias);
      if (track) track(object);
      else this.early.set(alias, [...(this.early.get(alias) ?? []), object]);
    }
  }

  async #ask(type, payload) {
    const { readable, writable } = await this.transport.createBidirectionalStream();
    const id = this.requests;
    this.requests += 2;
    await write(writable, message(type, [...vi64(id), ...payload]));
    return new Reader(readable).message();
  }

  async subscribe(track, receive) {
    const { type, body } = await this.#ask(SUBSCRIBE, [...fullName(track), 0]);
    if (type !== SUBSCRIBE_OK) throw Error(`SUBSCRIBE was answered with ${type}`);
    const alias = await body.vi64();
    this.tracks.set(alias, receive);
    (this.early.get(alias) ?? []).forEach(receive);
  }

  // A function that sends one object.
  async publish(track) {
    const alias = this.requests;
    const { type } = await this.#ask(PUBLISH, [...fullName(track), ...vi64(alias), 0]);
    if (type !== REQUEST_OK) throw Error(`PUBLISH was answered with ${type}`);
    return async (group, payload) => {
      const stream = await this.transport.createUnidirectionalStream();
      const object = [...vi64(SUBGROUP), ...vi64(alias), ...vi64(group), 0, ...text(payload)];
      await (await write(stream, Uint8Array.from(object))).close();
    };
  }
}
