// Goes wherever links lead, and knows which pages there are.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** How many pages of one shape are looked at. */
const OF_ONE_SHAPE = 2;

/**
 * Opens every page below `prefix` that can be reached from `start` by links, and gives each to
 * `look` with the answer that brought it. Pages that differ in ids alone are of one shape.
 * Returns the paths and what `look` found.
 */
export async function crawl(page, start, prefix, look) {
  const { origin } = new URL(start);
  const waiting = [start];
  const known = new Set(waiting);
  const shapes = new Map();
  const visited = [];
  const problems = [];
  while (waiting.length > 0) {
    const address = waiting.shift();
    const answer = await page.goto(address);
    visited.push(new URL(address).pathname, new URL(page.url()).pathname);
    await look(page, answer).catch((error) => problems.push(`${address}: ${error.message}`));
    const links = await page.evaluate(() =>
      [...document.querySelectorAll('a[href], form[method=get]')].map(
        (element) => element.href ?? element.action,
      ),
    );
    for (const link of links) {
      if (!URL.canParse(link)) continue;
      const target = new URL(link);
      target.hash = '';
      if (target.origin !== origin || !target.pathname.startsWith(prefix)) continue;
      if (known.has(target.href)) continue;
      known.add(target.href);
      const shape = shapeOf(target.href);
      const seen = shapes.get(shape) ?? 0;
      if (seen >= OF_ONE_SHAPE) continue;
      shapes.set(shape, seen + 1);
      waiting.push(target.href);
    }
  }
  return { visited, problems };
}

/** An address without what differs from thing to thing: ids, and the values of its query. */
function shapeOf(address) {
  const { pathname, searchParams } = new URL(address);
  const path = pathname.replaceAll(/\/[a-z_]+_[0-9A-HJKMNP-TV-Z]{26}(?=\/|$)/g, '/{}');
  return `${path}?${[...new Set(searchParams.keys())].sort().join('&')}`;
}

const SOURCE = new URL('../../src/', import.meta.url);

/** The routes of a face that answer to GET, as they stand in its source, below `prefix`. */
export function routes(face, prefix) {
  const found = new Set();
  const folder = new URL(`${face}/`, SOURCE).pathname;
  for (const name of readdirSync(folder, { recursive: true })) {
    if (!name.endsWith('.rs')) continue;
    const source = readFileSync(join(folder, name), 'utf8');
    for (const match of source.matchAll(/\.route\(\s*"([^"]+)"\s*,/g)) {
      if (/\bget\(/.test(argument(source, match.index + match[0].length))) found.add(match[1] === '/' ? prefix : prefix + match[1]);
    }
  }
  return [...found].sort();
}

/** The text up to the parenthesis that closes the call. */
function argument(source, start) {
  let depth = 1;
  let end = start;
  while (depth > 0 && end < source.length) {
    if (source[end] === '(') depth += 1;
    if (source[end] === ')') depth -= 1;
    end += 1;
  }
  return source.slice(start, end);
}

/** Which of these routes none of these paths is. */
export function unseen(routes, paths) {
  const covered = new Set(paths.map((path) => routeOf(routes, path)));
  return routes.filter((route) => !covered.has(route));
}

/** The route that a path takes: that with the fewest parameters, of those that fit. */
function routeOf(routes, path) {
  const parameters = (route) => route.split('{').length;
  return routes
    .filter((route) => {
      const pattern = route.replaceAll(/\{\*[^}]*\}/g, '.+').replaceAll(/\{[^}*]*\}/g, '[^/]+');
      return new RegExp(`^${pattern}$`).test(path);
    })
    .sort((a, b) => parameters(a) - parameters(b))[0];
}
