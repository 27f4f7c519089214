// Where the run went wrong: for each check that was violated the stretch in which that came about, and what was there.
(() => {
  const { hotfire } = globalThis;
  const { el } = hotfire;

  /** Operations that are linked. */
  const LINKS_MAX = 30;
  /** Stretches that are shown at once; the others open on demand. */
  const SHOWN = 2;

  /** The stretches that bands are drawn for: those whose beginning is known; without one the band would be the whole run. */
  hotfire.guiltBands = () => (hotfire.data.guilt ?? []).filter(({ since }) => since !== 'none');

  const operations = (ids) =>
    ids.length === 0
      ? undefined
      : hotfire.pair(
          'operations',
          ...ids.slice(0, LINKS_MAX).flatMap((id) => [hotfire.operationLink(id), ' ']),
          ids.length > LINKS_MAX ? `and ${hotfire.count(ids.length - LINKS_MAX)} more` : ' ',
        );

  const states = (list) =>
    list.length === 0
      ? undefined
      : hotfire.pair('meanwhile', ...list.map(({ atMs, text }) => el('div', {}, hotfire.moment(atMs), ` ${text}`)));

  const card = (guilt) => {
    const { check, node, fromMs, toMs, since, faults, before, sentence, operations: ids } = guilt;
    const suspects = hotfire.faultLinks(faults.map(({ id }) => id));
    return el(
      'article',
      { class: 'card guilt' },
      el('h3', {}, check, node ? ` on ${node}` : ''),
      el('p', { class: 'guilt-sentence' }, sentence),
      el(
        'dl',
        { class: 'pairs' },
        hotfire.pair(
          'stretch',
          since === 'none'
            ? `seen at ${hotfire.fineClock(toMs, 100)}; since when is not known`
            : `${hotfire.fineClock(fromMs, toMs - fromMs)} – ${hotfire.fineClock(toMs, toMs - fromMs)}, ${hotfire.span(toMs - fromMs)}`,
        ),
        suspects.length > 0 ? hotfire.pair('faults in it', ...suspects) : undefined,
        before ? hotfire.pair('the last before', ...hotfire.faultLinks([before.id])) : undefined,
        states(guilt.states),
        operations(ids),
      ),
      el(
        'button',
        { type: 'button', class: 'to-it', onclick: () => hotfire.showStretch(fromMs, toMs) },
        'Show this stretch',
      ),
    );
  };

  /** Shows below the verdict where a violated run went wrong; a run that held has nothing to show. */
  hotfire.renderGuilt = (section) => {
    const { guilt = [] } = hotfire.data;
    if (guilt.length === 0) return;
    section.hidden = false;
    section.append(
      ...hotfire.heading(
        'Where it went wrong',
        'From the last moment at which all was shown to be well to the first at which it was seen broken.',
      ),
      ...guilt.slice(0, SHOWN).map(card),
    );
    if (guilt.length > SHOWN)
      section.append(
        el(
          'details',
          { class: 'more' },
          el('summary', {}, `${hotfire.count(guilt.length - SHOWN)} more checks`),
          guilt.slice(SHOWN).map(card),
        ),
      );
  };
})();
