// What is drawn, and which keys there are: for a reader who has nothing but the page.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  const DRAWN = [
    ['arrow', 'a message; with a red cross: it never arrived'],
    ['columns on a lane', 'too many messages for arrows: sent above the line, received below, lost in red'],
    ['hatched red band', 'the process is down; yellow: it starts or stops'],
    ['violet shade', 'a fault hits this machine; hatched: a fault of the network'],
    ['pale red band over all lanes', 'the stretch that the verdict blames'],
    ['✗ ▲ ◆', 'a process ended, a process serves, the operator or the load acts'],
    ['○ ●', 'alerts: pending, fires (red), resolved (green)'],
    ['ticks under a line', 'warnings and errors in the log'],
    ['thin bars in a lane', 'spans of the machine; red: failed'],
    [
      'bars of operations',
      'from call to answer: green ok, brown refused, magenta in doubt, framed red: named by a violation',
    ],
  ];

  const KEYS = [
    ['← →, Page Up, Page Down, Home, End', 'pan'],
    ['+ −', 'zoom, around what is chosen'],
    ['0, double click', 'the whole run'],
    ['↑ ↓', 'the thing before, the thing after'],
    ['Enter', 'zoom to what is chosen'],
    ['/', 'search'],
    ['n, Shift n', 'next hit, previous hit'],
    ['Escape', 'choose nothing; again: leave the diagram'],
  ];

  const list = (rows) =>
    el(
      'dl',
      { class: 'pairs legend' },
      rows.map(([name, text]) => hotfire.pair(name, text)),
    );

  /** The keys in one sentence, for the label of the canvas. */
  hotfire.diagram.keysSentence = `Keys: ${KEYS.map(([key, text]) => `${key}: ${text}`).join('; ')}.`;

  /** Legend and keys, closed until somebody asks. */
  hotfire.diagram.legend = () =>
    el(
      'details',
      { class: 'keys' },
      el('summary', {}, 'What is drawn, and the keys'),
      list(DRAWN),
      el('h4', {}, 'Keys'),
      list(KEYS),
      el(
        'p',
        { class: 'help' },
        'Mouse: drag zooms, Shift and drag pans, the wheel zooms (with Ctrl, or once the diagram is chosen). Fingers: one pans, two zoom.',
      ),
    );
})();
