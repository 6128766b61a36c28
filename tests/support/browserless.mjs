// A browser's cookie and redirect manners without a browser: enough to carry a consent through in process tests.

/** Cookies by host name (as browsers do: ports do not separate them), with Path and expiry respected. */
export class CookieJar {
  #cookies = new Map();

  take(url, response) {
    const { hostname } = new URL(url);
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';').map((part) => part.trim());
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      const attribute = (key) => attributes.find((each) => each.toLowerCase().startsWith(`${key}=`))?.slice(key.length + 1);
      const path = attribute('path') ?? '/';
      const gone = attribute('max-age') === '0' || new Date(attribute('expires') ?? '9999-01-01') < new Date();
      const left = Number(attribute('max-age') ?? Infinity);
      const key = `${hostname}|${path}|${name}`;
      if (gone) this.#cookies.delete(key);
      else this.#cookies.set(key, { hostname, path, name, value, attributes, left });
    }
  }

  for(url) {
    const { hostname, pathname } = new URL(url);
    return [...this.#cookies.values()]
      .filter((each) => each.hostname === hostname && (pathname === each.path || pathname.startsWith(each.path.replace(/\/?$/, '/'))))
      .map((each) => `${each.name}=${each.value}`)
      .join('; ');
  }

  find(name) {
    return [...this.#cookies.values()].find((each) => each.name === name || each.name === `__Host-${name}`);
  }

  names() {
    return [...this.#cookies.values()].map((each) => each.name);
  }

  forget() {
    this.#cookies.clear();
  }

  /** So many seconds later: what has lived out its Max-Age is gone. */
  pass(seconds) {
    for (const [key, cookie] of this.#cookies) {
      cookie.left -= seconds;
      if (cookie.left <= 0) this.#cookies.delete(key);
    }
  }
}

export class Browserless {
  constructor(jar = new CookieJar(), { patience = 30_000 } = {}) {
    this.jar = jar;
    this.patience = patience; // milliseconds for one request
  }

  /** One request, no redirect followed; cookies go out and come in. */
  async request(url, options = {}) {
    const headers = new Headers(options.headers);
    const cookie = this.jar.for(url);
    if (cookie) headers.set('cookie', cookie);
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(this.patience), ...options, headers });
    this.jar.take(url, response);
    return response;
  }

  /**
   * Opens an address (or presses a button: `{url, form}`) and follows redirects as a navigation would. `visit(url, response, body)` may return a further
   * address or `{url, form}` to go on from a page (a button pressed); without one the walk ends there.
   * Returns { url, status, headers, body, trail } of the last page.
   */
  async open(url, { visit = () => undefined, stopAt = () => false, limit = 30 } = {}) {
    const trail = [];
    let next = typeof url === 'string' ? { url } : url;
    for (let step = 0; step < limit; step++) {
      const current = next.url;
      trail.push(current);
      if (stopAt(current)) return { url: current, status: 0, body: '', trail };
      const response = await this.request(current, next.form
        ? { method: 'POST', body: new URLSearchParams(next.form), headers: { origin: new URL(current).origin, 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'navigate' } }
        : { headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } });
      const body = await response.text();
      const location = response.headers.get('location');
      if (response.status >= 300 && response.status < 400 && location) {
        next = { url: new URL(location, current).href };
        continue;
      }
      const refresh = /<meta http-equiv="refresh" content="\d+; ?url=([^"]+)"/i.exec(body)?.[1];
      if (refresh) {
        next = { url: new URL(refresh.replaceAll('&amp;', '&'), current).href };
        continue;
      }
      const further = await visit(current, response, body);
      if (!further) return { url: current, status: response.status, headers: response.headers, body, trail };
      next = typeof further === 'string' ? { url: new URL(further, current).href } : { ...further, url: new URL(further.url, current).href };
    }
    throw new Error(`more than ${limit} steps: ${trail.join(' -> ')}`);
  }
}
