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
/** Where what a page runs or looks like may come from; pictures also from the page itself. */
const SOURCES = /^('none'|'self')$/;

/** The most that a page may load, in bytes: itself and all that it refers to. */
export const PAGE_WEIGHT_BYTES = 100_000;

/**
 * Tells `report` of everything in this context that must not happen. Answers of `origins` are held
 * against what ours are like; to those `elsewhere`, people may be sent.
 */
export async function watch(context, { origins, elsewhere = [] }, report) {
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
    const isSent = elsewhere.includes(origin) && request.isNavigationRequest();
    if (!origins.includes(origin) && !isSent && protocol !== 'data:' && protocol !== 'blob:') {
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
    // 422: a form that a script sent, and that is shown again.
    const isForm = request.method() === 'POST' && response.status() === 422;
    if (response.status() >= 400 && !isForm) report(`${where}: answered ${response.status()}`);
    return;
  }
  if (headers['content-type']?.startsWith('text/html')) {
    expect(PAGE_HEADERS);
    const policy = headers['content-security-policy'] ?? '';
    for (const directive of policy.split(';')) {
      const [name, ...sources] = directive.trim().split(/\s+/);
      const isAllowed = (source) =>
        SOURCES.test(source) || (name === 'img-src' && source === 'data:');
      if (/-src$/.test(name) && !sources.every(isAllowed)) {
        report(`${where}: its policy has ${directive.trim()}`);
      }
    }
  }
}

function path(url) {
  return url?.startsWith('http') ? new URL(url).pathname : (url ?? 'somewhere');
}
