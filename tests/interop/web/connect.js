// What the pages have in common: where the server is, its certificate, and the way back to the test.

const PATIENCE_MS = 10_000;

const query = new URLSearchParams(location.search);
const url = query.get("url");
const fingerprint = Uint8Array.from(query.get("fingerprint").match(/../g), (byte) => parseInt(byte, 16));

export function open(path, protocols) {
  return new WebTransport(url + path, {
    protocols,
    serverCertificateHashes: [{ algorithm: "sha-256", value: fingerprint }],
  });
}

// Run `steps`, which writes down what it sees, and report that.
export async function report(steps) {
  const seen = {};
  try {
    const late = new Promise((_, reject) => setTimeout(() => reject(Error("too slow")), PATIENCE_MS));
    await Promise.race([steps(seen), late]);
  } catch (error) {
    seen.failed = `${error.name}: ${error.message}`;
  }
  await fetch("/report", { method: "POST", body: JSON.stringify(seen) });
}
