// Making elements. Text goes in as text, never as HTML: what a run logged is data.
(() => {
  const { hotfire } = globalThis;

  /** An element with attributes (`class`, `on…` handlers, anything else) and children: elements, texts, or nothing. */
  hotfire.el = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === undefined || value === false) continue;
      if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
      else element.setAttribute(key, value === true ? '' : value);
    }
    element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== ''));
    return element;
  };

  hotfire.byId = (id) => document.getElementById(id);

  /** A section's heading with a sentence under it. */
  hotfire.heading = (title, help) => {
    const heading = hotfire.el('h2', {}, title);
    return help ? [heading, hotfire.el('p', { class: 'help' }, help)] : [heading];
  };

  /** A table in a box of its own that scrolls when it is too wide. Cells are texts or elements. */
  hotfire.table = (heads, rows, classes = '') => {
    const { el } = hotfire;
    if (rows.length === 0) return el('p', { class: 'empty' }, 'None.');
    const head = heads.map((text) => el('th', { scope: 'col' }, text));
    const body = rows.map((cells) =>
      el(
        'tr',
        {},
        cells.map((cell) => el('td', {}, cell)),
      ),
    );
    const table = el('table', { class: classes }, el('thead', {}, el('tr', {}, head)), el('tbody', {}, body));
    return el('div', { class: 'card scroll', tabindex: '0', role: 'region', 'aria-label': heads.join(', ') }, table);
  };

  /** A small coloured word. */
  hotfire.badge = (text, tone) => hotfire.el('span', { class: `badge ${tone}` }, text);

  const TONES = { held: 'good', violated: 'bad', undecided: 'warn' };
  const MARKS = { held: '✓', violated: '✗', undecided: '?' };

  /** A verdict as a badge: word and mark, not colour alone. */
  hotfire.verdict = (verdict) => hotfire.badge(`${MARKS[verdict]} ${verdict}`, TONES[verdict]);
  hotfire.toneOf = (verdict) => TONES[verdict];
  hotfire.markOf = (verdict) => MARKS[verdict];

  /** A moment that leads to its place in the timeline. */
  hotfire.moment = (ms) =>
    hotfire.el(
      'button',
      { type: 'button', class: 'moment', title: 'Show in the timeline', onclick: () => hotfire.showMoment(ms) },
      hotfire.clock(ms, true),
    );
})();
