// What every JavaScript peer does: listen on a free loopback port, say so, take its settings from standard
// input, and end with it, so that no peer outlives the test that started it.
const { createInterface } = require('node:readline');

const lines = createInterface({ input: process.stdin });
lines.on('close', () => process.exit(0));

const first = new Promise((resolve) => lines.once('line', resolve));

/** The first line of standard input. */
exports.firstLine = () => first;

/** Listens on a free loopback port, prints `listening on URL` and answers with the URL. */
exports.listen = (server) =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const url = `http://127.0.0.1:${server.address().port}`;
      console.log(`listening on ${url}`);
      resolve(url);
    });
  });
