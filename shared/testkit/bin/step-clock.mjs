// Preloaded into a command and its workers (`NODE_OPTIONS=--import=…`): the wall clock is off by as many ms as a file says at the
// moment, as after a step of NTP. Timers and the monotonic clock go on as they are, as they do on a real machine.
import { readFileSync } from 'node:fs';

const file = process.env['MILLRACE_TEST_CLOCK'];
const wall = Date.now;
let offMs = 0;

function look() {
  offMs = Number(readFileSync(file, 'utf8'));
}

if (file !== undefined) {
  look();
  setInterval(look, 50).unref();
  Date.now = () => wall() + offMs;
  globalThis.Date = new Proxy(Date, {
    construct: (target, given, made) => Reflect.construct(target, given.length === 0 ? [target.now()] : given, made),
  });
}
