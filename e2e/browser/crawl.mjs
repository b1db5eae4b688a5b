// Goes wherever links lead, and knows which routes of a face nobody saw.

/** How many pages of one route are looked at, and how many with one kind of query. */
const OF_ONE_ROUTE = 2;
const OF_ONE_QUERY = 1;

/**
 * Opens every page of these routes that can be reached from `start` by links, and gives each answer
 * to `look`; of pages that differ in ids or in the values of their query alone, the first few.
 * Returns what `look` found.
 */
export async function crawl(page, start, routes, look) {
  const { origin } = new URL(start);
  const waiting = [start];
  const known = new Set(waiting);
  const counts = new Map();
  const problems = [];
  while (waiting.length > 0) {
    const address = waiting.shift();
    const answer = await page.goto(address);
    await look(answer).catch((error) => problems.push(`${address}: ${error.message}`));
    const links = await page.evaluate(() =>
      [...document.querySelectorAll('a[href], form[method=get]')].map(
        (element) => element.href ?? element.action,
      ),
    );
    for (const link of links) {
      if (!URL.canParse(link)) continue;
      const target = new URL(link);
      target.hash = '';
      const route = routeOf(routes, target.pathname);
      if (target.origin !== origin || !route || known.has(target.href)) continue;
      known.add(target.href);
      const kind = `${route}?${[...new Set(target.searchParams.keys())].sort().join('&')}`;
      const count = counts.get(kind) ?? 0;
      if (count >= (target.search ? OF_ONE_QUERY : OF_ONE_ROUTE)) continue;
      counts.set(kind, count + 1);
      waiting.push(target.href);
    }
  }
  return { problems };
}

/** Which of these routes none of these paths is. */
export function unseen(routes, paths) {
  const covered = new Set(paths.map((path) => routeOf(routes, path)));
  return routes.filter((route) => !covered.has(route));
}

/** The route that a path takes: that with the fewest parameters, of those that fit. */
export function routeOf(routes, path) {
  const parameters = (route) => route.split('{').length;
  return routes
    .filter((route) => {
      const pattern = route.replaceAll(/\{\*[^}]*\}/g, '.+').replaceAll(/\{[^}*]*\}/g, '[^/]+');
      return new RegExp(`^${pattern}$`).test(path);
    })
    .sort((a, b) => parameters(a) - parameters(b))[0];
}
