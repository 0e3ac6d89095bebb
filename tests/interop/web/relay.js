// Publish a track and hear it again, and one of the test's: all through the relay.

import { open, report } from "./connect.js";
import { Moqt } from "./moqt.js";

const OBJECTS = 50;
const namespace = ["page", "one"];

report(async (seen) => {
  const transport = open("/", ["moqt-20", "moqt-18"]);
  const moqt = new Moqt(transport);
  await moqt.open();
  seen.protocol = transport.protocol;

  let complete;
  const all = new Promise((resolve) => (complete = resolve));
  const heard = (seen.heard = { up: [], down: [] });
  const collect = (name) => (object) => {
    heard[name].push(object);
    if (heard.up.length === OBJECTS && heard.down.length === OBJECTS) complete();
  };

  const send = await moqt.publish({ namespace, name: "up" });
  await moqt.subscribe({ namespace, name: "up" }, collect("up"));
  await moqt.subscribe({ namespace, name: "down" }, collect("down"));
  for (let group = 0; group < OBJECTS; group++) await send(group, `from the page: ${group}`);
  await all;
  transport.close({ closeCode: 0, reason: "done" });
});
