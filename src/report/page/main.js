// Unpacks the data and puts the page together.
(async () => {
  const { hotfire } = globalThis;
  const { el, byId, heading, moment } = hotfire;

  /** The data stands in the page compressed (gzip, base64). */
  const unpack = (text) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
  };

  if (typeof DecompressionStream === 'undefined') {
    byId('hero').append(
      el(
        'p',
        {},
        'This browser cannot unpack the page (DecompressionStream). The file timeline.md beside it tells the same.',
      ),
    );
    return;
  }
  const data = await unpack(byId('run').textContent);
  hotfire.data = data;
  hotfire.observed = hotfire.observe(data);
  hotfire.setTimeWindow();
  const { story } = data;

  const fact = (name, value) => el('div', { class: 'fact' }, el('dt', {}, name), el('dd', {}, value));

  const renderHero = (hero) => {
    const speed =
      data.realMs > 0 ? `, ${hotfire.count(Math.round(data.virtualMs / data.realMs))} times faster than real` : '';
    hero.classList.add(hotfire.toneOf(data.verdict));
    hero.append(
      el(
        'div',
        { class: 'hero-inner' },
        el('div', { class: 'mark-big', 'aria-hidden': 'true' }, hotfire.markOf(data.verdict)),
        el(
          'div',
          { class: 'hero-text' },
          el('p', { class: 'eyebrow' }, `${data.engine}${data.source ? ` · ${data.source}` : ''}`),
          el('h1', {}, data.title),
          el('p', { class: 'headline' }, el('strong', {}, data.verdict), ` – ${story.headline}`),
          story.reasons.length > 0
            ? el(
                'ul',
                { class: 'reasons' },
                story.reasons.map((reason) => el('li', {}, reason)),
              )
            : undefined,
          data.description ? el('p', { class: 'description' }, data.description) : undefined,
        ),
      ),
      el(
        'dl',
        { class: 'facts' },
        fact('virtual time', `${hotfire.span(data.virtualMs)}${speed}`),
        fact('seed', String(data.seed)),
        fact('events', hotfire.count(data.events)),
        fact('fingerprint', data.fingerprint),
        fact('commit', data.commit.slice(0, 12)),
        fact('Node', data.nodeVersion),
      ),
    );
  };

  const renderStory = (section) => {
    const steps = story.steps.map((step) =>
      el(
        'li',
        { class: step.kind },
        el('div', { class: 'step-time' }, moment(step.atMs)),
        el(
          'div',
          {},
          el('strong', {}, step.title),
          step.detail ? el('p', {}, step.kind === 'operator' ? el('code', {}, step.detail) : step.detail) : undefined,
        ),
      ),
    );
    const lanes = hotfire.lanes();
    section.append(
      ...heading('What happened'),
      el(
        'dl',
        { class: 'summary' },
        story.summary.map(({ question, answer }) =>
          el('div', { class: 'card' }, el('dt', {}, question), el('dd', {}, answer)),
        ),
      ),
      ...(lanes ? [lanes] : []),
      el('ol', { class: 'steps' }, steps),
    );
  };

  const system = matchMedia('(prefers-color-scheme: dark)');
  const button = byId('theme');
  const setTheme = (theme) => {
    document.documentElement.dataset.theme = theme;
    button.textContent = theme === 'dark' ? 'Light' : 'Dark';
    hotfire.redrawDiagram?.();
    hotfire.redrawCharts?.();
  };
  button.addEventListener('click', () =>
    setTheme(document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'),
  );
  // Paper is white.
  let beforePrint;
  addEventListener('beforeprint', () => {
    beforePrint = document.documentElement.dataset.theme;
    setTheme('light');
  });
  addEventListener('afterprint', () => setTheme(beforePrint));
  system.addEventListener('change', () => setTheme(system.matches ? 'dark' : 'light'));

  setTheme(system.matches ? 'dark' : 'light');
  renderHero(byId('hero'));
  hotfire.renderGuilt(byId('guilt'));
  hotfire.renderViolations(byId('violations'));
  for (const name of ['guilt', 'violations']) byId(`${name}-link`).hidden = byId(name).hidden;
  renderStory(byId('story'));
  hotfire.renderTimeWindow(byId('time'));
  hotfire.renderDiagram(byId('diagram'));
  hotfire.renderCharts(byId('charts'));
  hotfire.renderExpectations(byId('expectations'));
  hotfire.renderAlerts(byId('alerts'));
  hotfire.renderOperations(byId('operations'));
  hotfire.renderFaultLog(byId('faults'));
  hotfire.renderHistory(byId('operations'));
  hotfire.renderLogs(byId('logs'));
  hotfire.renderTimeline(byId('timeline'));
  hotfire.renderReproduce(byId('reproduce'));
  hotfire.keepTimeWindowInAddress();
  // The browser looked for the part that the address names before there was anything in it.
  if (/^#[a-z-]+$/.test(location.hash)) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  document.documentElement.dataset.ready = 'true';
})();
