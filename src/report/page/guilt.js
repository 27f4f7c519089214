// The stretch of the run that the verdict blames: its sentence, the faults in it, the operations that show it.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  /** Operations that are linked. */
  const LINKS_MAX = 30;

  const operations = (ids) =>
    ids.length === 0
      ? undefined
      : el(
          'p',
          {},
          'Operations: ',
          ids.slice(0, LINKS_MAX).flatMap((id) => [hotfire.operationLink(id), ' ']),
          ids.length > LINKS_MAX ? `and ${hotfire.count(ids.length - LINKS_MAX)} more` : '',
        );

  /** Shows the guilty stretch below the verdict; a run that held has none. */
  hotfire.renderGuilt = (section) => {
    const { guilt } = hotfire.data;
    if (!guilt) return;
    section.hidden = false;
    const { fromMs, toMs, faults = [], operations: ids = [], sentence } = guilt;
    const links = hotfire.faultLinks(faults.map((fault) => fault.id ?? fault));
    section.append(
      el(
        'div',
        { class: 'card guilt' },
        el('h2', {}, 'Where it went wrong'),
        el('p', { class: 'guilt-sentence' }, sentence),
        el(
          'p',
          { class: 'help' },
          `${hotfire.fineClock(fromMs, 10_000)} – ${hotfire.fineClock(toMs, 10_000)}, ${hotfire.span(toMs - fromMs)}`,
        ),
        links.length > 0 ? el('p', {}, 'Faults in it: ', links) : undefined,
        operations(ids),
        el(
          'button',
          { type: 'button', id: 'guilt-window', onclick: () => hotfire.showStretch(fromMs, toMs) },
          'Show this stretch',
        ),
      ),
    );
  };
})();
