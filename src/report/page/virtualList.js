// A list of which only the lines in view are elements: 100,000 lines scroll at once.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;
  const ROW_PX = 28;
  /** Rows kept above and below the view. */
  const MARGIN = 12;
  /** Lines that a page key goes. */
  const PAGE = 15;

  /**
   * A list box. `cells(index)` makes the elements of one line; `onChoose(index)` is called when one is chosen. Returns its
   * element, `show(indices)` and `choose(position, isCentred)` by the position in what is shown.
   */
  hotfire.virtualList = ({ id, label, className, cells, onChoose }) => {
    const list = el('div', { class: 'rows', id: `${id}-rows`, tabindex: '0', role: 'listbox', 'aria-label': label });
    const space = el('div', { class: 'rows-space', role: 'presentation' });
    list.append(space);
    let shown = [];
    let chosen = -1;

    const row = (position) =>
      el(
        'div',
        {
          class: `row ${className} ${position === chosen ? 'selected' : ''}`,
          role: 'option',
          id: `${id}-row-${position}`,
          'aria-selected': String(position === chosen),
          'aria-posinset': String(position + 1),
          'aria-setsize': String(shown.length),
          'data-position': String(position),
          style: `top:${position * ROW_PX}px`,
        },
        cells(shown[position]),
      );

    const paint = () => {
      const first = Math.max(0, Math.floor(list.scrollTop / ROW_PX) - MARGIN);
      const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW_PX) + MARGIN);
      const rows = [];
      for (let position = first; position < last; position += 1) rows.push(row(position));
      space.style.height = `${shown.length * ROW_PX}px`;
      space.replaceChildren(...rows);
    };

    const choose = (position, isCentred = false) => {
      if (shown.length === 0) return;
      chosen = Math.min(Math.max(position, 0), shown.length - 1);
      const top = chosen * ROW_PX;
      if (isCentred) list.scrollTop = Math.max(0, top - 2 * ROW_PX);
      if (top < list.scrollTop) list.scrollTop = top;
      if (top + ROW_PX > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW_PX - list.clientHeight;
      paint();
      list.setAttribute('aria-activedescendant', `${id}-row-${chosen}`);
      onChoose(shown[chosen]);
    };

    list.addEventListener('keydown', (event) => {
      const moves = {
        ArrowDown: 1,
        ArrowUp: -1,
        PageDown: PAGE,
        PageUp: -PAGE,
        Home: -shown.length,
        End: shown.length,
      };
      const move = moves[event.key];
      if (move === undefined) return;
      event.preventDefault();
      choose(chosen + move);
    });
    list.addEventListener('click', (event) => {
      const clicked = event.target.closest('.row');
      if (clicked) choose(Number(clicked.dataset.position));
    });
    list.addEventListener('scroll', () => requestAnimationFrame(paint), { passive: true });

    // Its height is known only once it is on the page.
    new ResizeObserver(paint).observe(list);

    return {
      list,
      choose,
      /** Shows these lines, from the top, with none chosen. */
      show: (indices) => {
        shown = indices;
        chosen = -1;
        list.removeAttribute('aria-activedescendant');
        list.scrollTop = 0;
        paint();
      },
    };
  };
})();
