// usage: node browser.cjs
// Headless Chromium (Debian's), driven by playwright-core, for tests written in Rust. Ends with its standard input.
//
// Each line of standard input is a command, answered by one line {"ok": value} or {"error": message}:
//   {"goto": url}                 {"fill": [selector, text]}     {"click": selector}   {"press": key}
//   {"text": selector}            {"url": true}                  {"wait_for": selector}
//   {"screenshot": path}          {"viewport": [width, height]}  {"script": expression}
//   {"type": text}                {"aria": selector}             what assistive technology is told there
//   {"problems": true}            what the console and the network complained about since the last asking
//   {"requests": true}            the URLs asked for since the last asking
// Selectors are Playwright's (CSS, text=…, role=…). The first line holds the context's options, for example
// {"javaScriptEnabled": false, "colorScheme": "dark"}.
const { createInterface } = require('node:readline');
const { chromium } = require('playwright-core');

async function main() {
  const lines = createInterface({ input: process.stdin });
  const commandLines = lines[Symbol.asyncIterator](); // from now on, or what comes during the launch is lost
  // In a container there is no user namespace for Chromium's own sandbox; every page is one of ours.
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
  lines.on('close', () => {
    setTimeout(() => process.exit(1), 5_000).unref(); // a browser that hangs holds nobody up
    browser.close().finally(() => process.exit(0));
  });

  let page;
  let problems = [];
  let requests = [];
  const commands = {
    goto: async (url) => (await page.goto(url))?.status() ?? null,
    fill: ([selector, text]) => page.fill(selector, text),
    click: (selector) => page.click(selector),
    press: (key) => page.keyboard.press(key),
    type: (text) => page.keyboard.type(text),
    aria: (selector) => page.locator(selector).ariaSnapshot(),
    text: (selector) => page.innerText(selector),
    url: () => page.url(),
    wait_for: async (selector) => void (await page.waitForSelector(selector)),
    screenshot: async (path) => void (await page.screenshot({ path, fullPage: true })),
    viewport: ([width, height]) => page.setViewportSize({ width, height }),
    script: (expression) => page.evaluate(expression),
    problems: () => problems.splice(0),
    requests: () => requests.splice(0),
  };
  async function open(options) {
    page = await (await browser.newContext(options)).newPage();
    page.setDefaultTimeout(15_000);
    page.on('pageerror', (error) => problems.push(`page: ${error.message}`));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) problems.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => requests.push(request.url()));
    page.on('requestfailed', (request) => {
      // A navigation that another one replaced is no problem of the page's.
      if (request.failure().errorText !== 'net::ERR_ABORTED') {
        problems.push(`request: ${request.url()} ${request.failure().errorText}`);
      }
    });
    return 'ready';
  }

  for await (const line of commandLines) {
    let answer;
    try {
      const command = JSON.parse(line);
      const [name] = Object.keys(command);
      answer = { ok: (await (page ? commands[name](command[name]) : open(command))) ?? null };
    } catch (problem) {
      answer = { error: String(problem.message ?? problem) };
    }
    console.log(JSON.stringify(answer));
  }
}

main();
