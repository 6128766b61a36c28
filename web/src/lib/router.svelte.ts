/** Where the console is. History routing; every path is served by the same page. */
class Route {
  path = $state(location.pathname);
  query = $state(new URLSearchParams(location.search));

  constructor() {
    addEventListener("popstate", () => this.#read());
  }
  #read() {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  }
  /** First parts of the path: /users/ID/details gives ["users", "ID", "details"]. */
  get parts(): string[] {
    return this.path.split("/").filter(Boolean).map(decodeURIComponent);
  }
  go(to: string, how: "push" | "replace" = "push") {
    if (how === "push") history.pushState(null, "", to);
    else history.replaceState(null, "", to);
    this.#read();
  }
}

export const route = new Route();

/** For `onclick` of links inside the console: no page load, but new tabs still work. */
export function follow(event: MouseEvent & { currentTarget: HTMLAnchorElement }): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  route.go(event.currentTarget.getAttribute("href") ?? "/");
}
