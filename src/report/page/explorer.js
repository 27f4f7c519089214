// A long list with search, filters and all about the chosen line: timeline, history and logs are made of it.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  const wordsOf = (text) =>
    text
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');

  /** A choice among values; '' is all of them. */
  const choice = (id, { label, any, values }, onChange) => {
    const select = el(
      'select',
      { 'aria-label': label, id: `${id}-${label.toLowerCase()}` },
      el('option', { value: '' }, any),
      values.map((value) => el('option', { value }, value)),
    );
    select.addEventListener('change', onChange);
    return select;
  };

  const pressable = (text, classes, isPressed, onPress) => {
    const button = el('button', { type: 'button', class: classes, 'aria-pressed': String(isPressed) }, text);
    button.addEventListener('click', () => {
      const isNow = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(isNow));
      onPress(isNow);
    });
    return button;
  };

  /**
   * Makes the list. `of` is what it is made of:
   * `id`, `label`, `noun` (lines, operations), `className` of a row, `count`; by index: `text` in lower case for the search,
   * `cells`, `detail`, `fromMs` and `toMs` of what a line is about; `hint` while nothing is chosen;
   * `chips`: `{ names, tone, of }`, a line's name among them; `choices`: `{ label, any, values, of }`;
   * `toggles`: `{ name, test }`, off at first; `order`: `{ name, first }`, a toggle that puts some lines first.
   */
  hotfire.explorer = (of) => {
    const hidden = new Set();
    const on = new Set();
    let isOrdered = false;
    let texts;
    const detail = el(
      'div',
      { class: 'detail', id: `${of.id}-detail`, 'aria-live': 'polite' },
      el('p', { class: 'help' }, of.hint),
    );
    const counted = el('output', { class: 'counted', id: `${of.id}-counted` });
    const search = el('input', {
      type: 'search',
      id: `${of.id}-search`,
      placeholder: of.searchHint ?? 'Search',
      'aria-label': `Search the ${of.label.toLowerCase()}`,
    });
    let shown = [];
    let filteredFor;
    const view = hotfire.virtualList({
      id: of.id,
      label: of.label,
      className: of.className,
      cells: of.cells,
      onChoose: (index) => detail.replaceChildren(...of.detail(index).filter((one) => one !== undefined)),
    });

    const filter = () => {
      const words = wordsOf(search.value);
      // Made at the first search: most readers never ask.
      if (words.length > 0) texts ??= Array.from({ length: of.count }, (_, index) => of.text(index));
      const { fromMs, toMs } = hotfire.timeWindow();
      const isWhole = hotfire.isWholeRun();
      filteredFor = `${fromMs} ${toMs}`;
      shown = [];
      for (let index = 0; index < of.count; index += 1) {
        if (!isWhole && (of.toMs(index) < fromMs || of.fromMs(index) > toMs)) continue;
        if (of.chips && hidden.has(of.chips.of(index))) continue;
        if (choices.some(({ select, value }) => select.value !== '' && value(index) !== select.value)) continue;
        if (words.some((word) => !texts[index].includes(word))) continue;
        let isKept = true;
        for (const toggle of on) isKept &&= toggle.test(index);
        if (isKept) shown.push(index);
      }
      if (isOrdered) shown = [...shown.filter(of.order.first), ...shown.filter((index) => !of.order.first(index))];
      counted.textContent = `${hotfire.count(shown.length)} of ${hotfire.count(of.count)} ${of.noun}${isWhole ? '' : ' (those in the time window)'}`;
      view.show(shown);
    };

    const choices = (of.choices ?? [])
      .filter(({ values }) => values.length > 0)
      .map((one) => ({ select: choice(of.id, one, filter), value: one.of }));
    const toggles = (of.toggles ?? []).map((toggle) =>
      pressable(toggle.name, 'chip toggle', false, (isOn) => {
        if (isOn) on.add(toggle);
        else on.delete(toggle);
        filter();
      }),
    );
    const chips = (of.chips?.names ?? []).map((name) =>
      pressable(name, `chip ${of.chips.tone(name)}`, true, (isOn) => {
        if (isOn) hidden.delete(name);
        else hidden.add(name);
        filter();
      }),
    );
    const order =
      of.order &&
      pressable(of.order.name, 'chip toggle', false, (isOn) => {
        isOrdered = isOn;
        filter();
      });
    const clear = () => {
      search.value = '';
      for (const { select } of choices) select.value = '';
      for (const button of chips) button.setAttribute('aria-pressed', 'true');
      for (const button of toggles) button.setAttribute('aria-pressed', 'false');
      hidden.clear();
      on.clear();
      filter();
    };
    search.addEventListener('input', filter);
    hotfire.onTimeWindowSettled(() => {
      const { fromMs, toMs } = hotfire.timeWindow();
      // What has been filtered for this window already keeps its chosen line.
      if (filteredFor !== `${fromMs} ${toMs}`) filter();
    }, 120);
    filter();

    return {
      elements: [
        el('div', { class: 'tools' }, search, ...choices.map(({ select }) => select), counted),
        el(
          'div',
          { class: 'chips', role: 'group', 'aria-label': `Filters of the ${of.label.toLowerCase()}` },
          chips,
          toggles,
          order,
        ),
        el('div', { class: 'card timeline' }, view.list, detail),
      ],
      /**
       * Chooses the first line that `test` accepts, or the last; a window that hides its moment is left. With `isNeeded` filters
       * that hide it are cleared.
       */
      reveal: (ms, test, isNeeded = false) => {
        const { fromMs, toMs } = hotfire.timeWindow();
        if (ms < fromMs || ms > toMs) hotfire.setTimeWindow();
        filter();
        let position = shown.findIndex(test);
        if (position < 0 && isNeeded) {
          clear();
          position = shown.findIndex(test);
        }
        view.list.focus({ preventScroll: true });
        view.choose(position < 0 ? shown.length - 1 : position, true);
      },
    };
  };
})();
