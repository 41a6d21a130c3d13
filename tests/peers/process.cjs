// What every JavaScript peer does: listen on a free loopback port, say so, take its settings from standard
// input, and end with it, so that no peer outlives the test that started it.
const { createServer } = require('node:http');
const { createInterface } = require('node:readline');

/**
 * Prints `listening on URL`, reads the settings (one line of JSON) and serves what `open(url, settings)` answers
 * with: a function of request and response. Requests that come before that wait for it.
 */
exports.serve = (open) => {
  const lines = createInterface({ input: process.stdin });
  lines.on('close', () => process.exit(0));
  const settings = new Promise((resolve) => lines.once('line', (line) => resolve(JSON.parse(line))));
  const server = createServer((request, response) => handler.then((handle) => handle(request, response)));
  const handler = new Promise((resolve, reject) => {
    server.listen(0, '127.0.0.1', () => {
      const url = `http://127.0.0.1:${server.address().port}`;
      console.log(`listening on ${url}`);
      settings.then((known) => open(url, known)).then(resolve, reject);
    });
  });
};
