// The timeline: every line of the run, of which only those in view are elements. 100,000 lines scroll and filter at once.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;
  const ROW_PX = 28;
  /** Rows kept above and below the view. */
  const MARGIN = 12;

  const TONES = {
    'fault-start': 'fault',
    'fault-end': 'good',
    'alert-pending': 'warn',
    'alert-firing': 'bad',
    'alert-resolved': 'good',
    operator: 'act',
    crash: 'bad',
    exit: 'bad',
    violation: 'bad',
  };

  const rowElement = ([ms, kind, node, text, data], index, isSelected) =>
    el(
      'div',
      {
        class: `row ${isSelected ? 'selected' : ''}`,
        role: 'option',
        id: `row-${index}`,
        'aria-selected': String(isSelected),
        'data-index': String(index),
        style: `top:${index * ROW_PX}px`,
      },
      el('span', { class: 'row-time' }, hotfire.clock(ms, true)),
      el('span', { class: `badge ${TONES[kind] ?? ''}` }, kind),
      el('span', { class: 'row-node' }, node),
      el(
        'span',
        { class: 'row-text' },
        text,
        el('span', { class: 'muted' }, fields(kind, data) && `  ${fields(kind, data)}`),
      ),
    );

  const shortValue = (value) => {
    if (typeof value === 'object') return JSON.stringify(value);
    return typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value);
  };

  /** The fields of a log line, short: `durationMs=141 bytes=8192`. */
  const fields = (kind, data) => {
    if (kind !== 'log' || data === null || typeof data !== 'object') return '';
    return Object.entries(data)
      .map(([name, value]) => `${name}=${shortValue(value)}`)
      .join(' ');
  };

  hotfire.renderTimeline = (section) => {
    const all = hotfire.data.timeline;
    const kinds = [...new Set(all.map(([, kind]) => kind))];
    const nodes = [...new Set(all.map(([, , node]) => node))].filter((node) => node !== '').sort();
    const searched = all.map(([, kind, node, text, data]) => `${node} ${text} ${fields(kind, data)}`.toLowerCase());
    const hidden = new Set();
    let shown = all.map((_, index) => index);
    let selected = -1;

    const list = el('div', { class: 'rows', id: 'rows', tabindex: '0', role: 'listbox', 'aria-label': 'Timeline' });
    const space = el('div', { class: 'rows-space' });
    const detail = el(
      'div',
      { class: 'detail', id: 'detail', 'aria-live': 'polite' },
      el('p', { class: 'help' }, 'Choose a line to see all of it. Arrow keys move.'),
    );
    const counted = el('output', { class: 'counted', id: 'counted' });
    const search = el('input', {
      type: 'search',
      id: 'timeline-search',
      placeholder: 'Search in text and node',
      'aria-label': 'Search the timeline',
    });
    const nodeChoice = el(
      'select',
      { 'aria-label': 'Node', id: 'timeline-node' },
      el('option', { value: '' }, 'every node'),
      nodes.map((node) => el('option', { value: node }, node)),
    );
    list.append(space);

    const paint = () => {
      const first = Math.max(0, Math.floor(list.scrollTop / ROW_PX) - MARGIN);
      const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW_PX) + MARGIN);
      const rows = [];
      for (let index = first; index < last; index += 1)
        rows.push(rowElement(all[shown[index]], index, index === selected));
      space.style.height = `${shown.length * ROW_PX}px`;
      space.replaceChildren(...rows);
    };

    const select = (index) => {
      if (shown.length === 0) return;
      selected = Math.min(Math.max(index, 0), shown.length - 1);
      const top = selected * ROW_PX;
      if (top < list.scrollTop) list.scrollTop = top;
      if (top + ROW_PX > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW_PX - list.clientHeight;
      paint();
      list.setAttribute('aria-activedescendant', `row-${selected}`);
      const [ms, kind, node, text, data] = all[shown[selected]];
      detail.replaceChildren(
        el('p', {}, el('strong', {}, hotfire.clock(ms, true)), ` ${kind}${node ? ` on ${node}` : ''}`),
        el('p', { class: 'detail-text' }, text),
        ...(data === undefined ? [] : [el('pre', { tabindex: '0' }, JSON.stringify(data, null, 2))]),
      );
    };

    const filter = () => {
      const words = search.value
        .toLowerCase()
        .split(/\s+/)
        .filter((word) => word !== '');
      const node = nodeChoice.value;
      shown = [];
      for (let index = 0; index < all.length; index += 1) {
        if (hidden.has(all[index][1]) || (node !== '' && all[index][2] !== node)) continue;
        if (words.every((word) => searched[index].includes(word))) shown.push(index);
      }
      selected = -1;
      list.removeAttribute('aria-activedescendant');
      list.scrollTop = 0;
      counted.textContent = `${hotfire.count(shown.length)} of ${hotfire.count(all.length)} lines`;
      paint();
    };

    const chip = (kind) => {
      const button = el('button', { type: 'button', class: `chip ${TONES[kind] ?? ''}`, 'aria-pressed': 'true' }, kind);
      button.addEventListener('click', () => {
        if (!hidden.delete(kind)) hidden.add(kind);
        button.setAttribute('aria-pressed', String(!hidden.has(kind)));
        filter();
      });
      return button;
    };

    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -all.length, End: all.length };
    list.addEventListener('keydown', (event) => {
      const move = moves[event.key];
      if (move === undefined) return;
      event.preventDefault();
      select(selected + move);
    });
    list.addEventListener('click', (event) => {
      const row = event.target.closest('.row');
      if (row) select(Number(row.dataset.index));
    });
    list.addEventListener('scroll', () => requestAnimationFrame(paint), { passive: true });
    search.addEventListener('input', filter);
    nodeChoice.addEventListener('change', filter);

    section.append(
      ...hotfire.heading('Timeline', 'Everything that was noted, in virtual time.'),
      el('div', { class: 'tools' }, search, nodeChoice, counted),
      el('div', { class: 'chips', role: 'group', 'aria-label': 'Kinds' }, kinds.map(chip)),
      el('div', { class: 'card timeline' }, list, detail),
    );
    filter();

    /** Leads to the first line at or after a moment. */
    hotfire.showMoment = (ms) => {
      let index = shown.findIndex((line) => all[line][0] >= ms - 0.5);
      if (index < 0) index = shown.length - 1;
      section.scrollIntoView({ block: 'start' });
      list.focus({ preventScroll: true });
      list.scrollTop = Math.max(0, index * ROW_PX - 56);
      select(index);
    };
  };
})();
