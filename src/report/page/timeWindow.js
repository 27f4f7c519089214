// The one stretch of virtual time that the whole page looks at: charts, diagram, lists.
(() => {
  const { hotfire } = globalThis;

  /** Nothing shorter can be looked at: 100 ns. */
  const SHORTEST_MS = 1e-4;
  const listeners = [];
  let fromMs = 0;
  let toMs = 0;
  /** The last address that named no stretch of this run. */
  let refused;
  const refusals = [];

  /** The window now: `{ fromMs, toMs }`. */
  hotfire.timeWindow = () => ({ fromMs, toMs });

  /** Whether the window is the whole run. */
  hotfire.isWholeRun = () => fromMs <= 0 && toMs >= hotfire.runMs();

  /** The length of the run; a run of no time at all is a millisecond, so that there is something to divide by. */
  hotfire.runMs = () => Math.max(hotfire.data.virtualMs, 1);

  /**
   * Looks at this stretch, cut to the run, on the whole page; without arguments at all of it. A stretch that sticks out on
   * one side is moved, not shortened: what is panned to the edge keeps its scale.
   */
  hotfire.setTimeWindow = (from = 0, to = hotfire.runMs()) => {
    const length = Math.min(Math.max(to - from, SHORTEST_MS), hotfire.runMs());
    const start = Math.min(Math.max(from, 0), hotfire.runMs() - length);
    const end = start + length;
    const slack = length * 1e-6;
    if (Math.abs(start - fromMs) <= slack && Math.abs(end - toMs) <= slack) return;
    fromMs = start;
    toMs = end;
    refused = undefined;
    for (const listener of listeners) listener(hotfire.timeWindow());
  };

  /** Calls `listener` at every change of the window. */
  hotfire.onTimeWindow = (listener) => listeners.push(listener);

  /** Calls `listener` when the window has come to rest for `quietMs`: for what is too slow for every frame of a gesture. */
  hotfire.onTimeWindowSettled = (listener, quietMs = 80) => {
    let timer;
    hotfire.onTimeWindow(() => {
      clearTimeout(timer);
      timer = setTimeout(listener, quietMs);
    });
  };

  /** `#t=29971.5-35127.7`: a window in the page's address, in virtual milliseconds, so that a place can be sent to somebody. */
  const IN_ADDRESS = /^#t=(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/;

  /** Takes the window from the page's address, and keeps it there: an address with a section's name is left as it is. */
  hotfire.keepTimeWindowInAddress = () => {
    const read = () => {
      if (!location.hash.startsWith('#t=')) return;
      const [, from, to] = IN_ADDRESS.exec(location.hash) ?? [];
      const isStretch = from !== undefined && Number(to) > Number(from) && Number(from) < hotfire.runMs();
      if (isStretch) return hotfire.setTimeWindow(Number(from), Number(to));
      const wanted = location.hash;
      // An address that says something else than what is shown would be sent on.
      history.replaceState(null, '', location.pathname + location.search);
      hotfire.setTimeWindow();
      refused = wanted;
      for (const listener of refusals) listener();
    };
    const digits = (ms) => String(Number(ms.toFixed(4)));
    addEventListener('hashchange', read);
    hotfire.onTimeWindowSettled(() => {
      if (!hotfire.isWholeRun()) history.replaceState(null, '', `#t=${digits(fromMs)}-${digits(toMs)}`);
      else if (IN_ADDRESS.test(location.hash)) history.replaceState(null, '', location.pathname + location.search);
    }, 200);
    read();
  };

  /** The window in words and the way back to the whole run, in the bar that is always in sight. */
  hotfire.renderTimeWindow = (box) => {
    const { el } = hotfire;
    const said = el('output', { id: 'time-window', 'aria-live': 'off' });
    const whole = el(
      'button',
      { type: 'button', id: 'time-whole', onclick: () => hotfire.setTimeWindow() },
      'Whole run',
    );
    const say = () => {
      const isWhole = hotfire.isWholeRun();
      whole.disabled = isWhole;
      const step = toMs - fromMs;
      box.classList.toggle('off', isWhole && refused === undefined);
      said.textContent = isWhole
        ? `whole run${refused === undefined ? '' : `: ${refused} is no stretch of it, expected #t=FROM-TO in ms`}`
        : `${hotfire.fineClock(fromMs, step)} – ${hotfire.fineClock(toMs, step)} (${hotfire.span(step)})`;
    };
    box.append(said, whole);
    hotfire.onTimeWindow(say);
    refusals.push(say);
    say();
  };
})();
