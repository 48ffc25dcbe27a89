/** Keys under which GraphiQL keeps what a person typed and how they arranged the page. No other outlives the page. */
const KEPT: ReadonlySet<string> = new Set([
  "graphiql:tabState",
  "graphiql:query",
  "graphiql:variables",
  "graphiql:queries",
  "graphiql:favorites",
  "graphiql:theme",
  "graphiql:visiblePlugin",
]);

/** Anything that runs on the same port of localhost shares the browser's storage, other GraphiQLs among them. */
const PREFIX = "sentlog:";

/**
 * The storage that GraphiQL is given: the keys of `KEPT` in the browser, everything else, headers above all, in memory.
 *
 * It is a list of what may be kept, not of what may not: a key that a later GraphiQL invents stays in memory until
 * somebody has looked at it. Where the browser refuses to keep anything, memory serves for all.
 */
export class TypedOnlyStorage {
  readonly #memory = new Map<string, string>();

  get length(): number {
    return this.#memory.size;
  }

  getItem(key: string): string | null {
    const inMemory = this.#memory.get(key);
    if (inMemory !== undefined || !KEPT.has(key)) return inMemory ?? null;
    try {
      return localStorage.getItem(PREFIX + key);
    } catch {
      return null;
    }
  }

  setItem(key: string, value: string): void {
    this.#memory.set(key, value);
    if (!KEPT.has(key)) return;
    try {
      localStorage.setItem(PREFIX + key, value);
    } catch {
      // No storage, or none left: the page goes on from memory.
    }
  }

  removeItem(key: string): void {
    this.#memory.delete(key);
    if (!KEPT.has(key)) return;
    try {
      localStorage.removeItem(PREFIX + key);
    } catch {
      // As above.
    }
  }

  clear(): void {
    for (const key of [...this.#memory.keys(), ...KEPT]) this.removeItem(key);
  }

  /** Forget the open tabs, so that the next GraphiQL begins with the examples. */
  forgetTabs(): void {
    for (const key of ["graphiql:tabState", "graphiql:query", "graphiql:variables"]) {
      this.removeItem(key);
    }
  }
}
