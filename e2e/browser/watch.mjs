// Watches over every page that a visitor sees: what fails here fails every test.

/** What each answer with a page carries, and what has to be in it. */
const PAGE_HEADERS = [
  ['content-security-policy', /default-src 'none'/],
  ['content-security-policy', /frame-ancestors 'none'/],
  ['content-security-policy', /base-uri 'none'/],
  ['cache-control', /no-store/],
];
/** What every answer carries. */
const HEADERS = [
  ['x-content-type-options', /^nosniff$/],
  ['referrer-policy', /^no-referrer$/],
];
/** What would let a page run what was never meant to run. */
const UNSAFE = /unsafe-inline|unsafe-eval|unsafe-hashes|data:|https?:|\*/;

/** The most that a page may load, in bytes: itself and all that it refers to. */
export const PAGE_WEIGHT_BYTES = 100_000;

/** Tells `report` of everything in this context that must not happen. */
export async function watch(context, origins, report) {
  await context.exposeBinding('reportViolation', ({ page }, violation) => {
    report(`${path(page.url())}: violates its own policy: ${violation}`);
  });
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      const { effectiveDirective, blockedURI, sample, sourceFile, lineNumber } = event;
      window.reportViolation(
        `${effectiveDirective} ${blockedURI} ${sample} (${sourceFile}:${lineNumber})`,
      );
    });
  });
  context.on('console', (message) => {
    if (message.type() !== 'error') return;
    // The browser also says so of a page that is meant to answer 4xx; what a page loads besides is
    // looked at below.
    if (message.text().startsWith('Failed to load resource:')) return;
    report(`${path(message.location().url)}: the console says: ${message.text()}`);
  });
  context.on('weberror', (error) => {
    report(`${path(error.page()?.url())}: a script failed: ${error.error().stack}`);
  });
  context.on('dialog', async (dialog) => {
    report(`${path(dialog.page()?.url())}: a ${dialog.type()} popped up: ${dialog.message()}`);
    await dialog.dismiss();
  });
  context.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (!origins.includes(origin) && protocol !== 'data:' && protocol !== 'blob:') {
      report(`${path(request.frame().url())}: asks another host: ${request.url()}`);
    }
  });
  context.on('response', (response) => look(response, origins, report));
}

/** Holds one answer against what every answer is to be like. */
function look(response, origins, report) {
  const request = response.request();
  const { origin } = new URL(response.url());
  if (!origins.includes(origin)) return;
  const where = `${request.method()} ${path(response.url())}`;
  const headers = response.headers();
  const expect = (expected) => {
    for (const [name, value] of expected) {
      if (!value.test(headers[name] ?? '')) report(`${where}: ${name} is ${headers[name]}`);
    }
  };
  expect(HEADERS);
  if (response.status() >= 500) report(`${where}: answered ${response.status()}`);
  if (!request.isNavigationRequest()) {
    if (response.status() >= 400) report(`${where}: answered ${response.status()}`);
    return;
  }
  if (headers['content-type']?.startsWith('text/html')) {
    expect(PAGE_HEADERS);
    const policy = headers['content-security-policy'] ?? '';
    if (UNSAFE.test(policy)) report(`${where}: its policy is ${policy}`);
  }
}

function path(url) {
  return url?.startsWith('http') ? new URL(url).pathname : (url ?? 'somewhere');
}
