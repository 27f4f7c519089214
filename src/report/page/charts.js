// The charts: uPlot with one cursor and one zoom for all of them.
(() => {
  const { hotfire, uPlot } = globalThis;
  const { el } = hotfire;
  const HEIGHT = 210;

  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    const get = (name) => style.getPropertyValue(`--${name}`).trim();
    return {
      text: get('muted'),
      grid: get('line'),
      card: get('card'),
      fault: get('fault'),
      faultShade: get('fault-shade'),
      warn: get('warn'),
      bad: get('bad'),
      guiltShade: get('guilt-shade'),
      good: get('good'),
      lines: Array.from({ length: 10 }, (_, index) => get(`line-${index + 1}`)),
      tones: { ok: get('good'), fail: get('warn'), info: get('bad') },
    };
  };

  /** All charts that are drawn. */
  const plots = new Set();

  /** A drag over one chart is a choice of the page's time window. */
  const chooseWindow = (plot) => {
    const { left, width } = plot.select;
    hotfire.setTimeWindow(plot.posToVal(left, 'x') * 1_000, plot.posToVal(left + width, 'x') * 1_000);
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  };

  const follow = (plot) => {
    const { fromMs, toMs } = hotfire.timeWindow();
    const { min, max } = plot.scales.x;
    if (min !== fromMs / 1_000 || max !== toMs / 1_000) plot.setScale('x', { min: fromMs / 1_000, max: toMs / 1_000 });
  };

  /** From zero, with room above; a limit is in the picture once the values come near it. */
  const rangeOf = (chart) => (_, min, max) => {
    if (chart.states) return [-0.5, chart.states.length - 0.5];
    const near = chart.thresholds.map(({ value }) => value).filter((value) => max !== null && max > value * 0.35);
    const top = Math.max(max ?? 0, ...near);
    return [Math.min(min ?? 0, 0), top > 0 ? top * 1.12 : 1];
  };

  /** uPlot's legend listens to the mouse alone: its names get the keyboard too. The first one is the time. */
  const legendKeys = (plot) => {
    for (const name of [...plot.root.querySelectorAll('.u-legend .u-series th')].slice(1)) {
      name.tabIndex = 0;
      name.setAttribute('role', 'button');
      name.addEventListener('keydown', (event) => {
        if (event.key !== 'Enter' && event.key !== ' ') return;
        event.preventDefault();
        name.click();
      });
    }
  };

  const draw = (chart, box) => {
    const palette = colours();
    const { data } = hotfire;
    const format = (value) => (chart.states ? (chart.states[value] ?? '–') : hotfire.quantity(value, chart.unit));
    const axis = {
      stroke: palette.text,
      grid: { stroke: palette.grid, width: 1 },
      ticks: { stroke: palette.grid, width: 1 },
      font: '12px system-ui, sans-serif',
    };
    const isState = chart.states !== undefined;
    const plot = new uPlot(
      {
        width: Math.max(box.clientWidth, 200),
        height: HEIGHT,
        legend: { live: true },
        cursor: {
          sync: { key: 'run', setSeries: false },
          drag: { x: true, y: false, setScale: false },
          points: { size: 7 },
          bind: {
            dblclick: () => () => {
              hotfire.setTimeWindow();
              return null;
            },
          },
        },
        scales: {
          x: { time: false, range: (_, min, max) => [min ?? 0, max ?? data.virtualMs / 1_000] },
          y: { range: rangeOf(chart) },
        },
        axes: [
          {
            ...axis,
            size: 30,
            values: (_, ticks, __, ___, step) => ticks.map((tick) => hotfire.tickText(tick * 1_000, step * 1_000)),
            incrs: [
              0.0001, 0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400,
              43_200, 86_400,
            ],
          },
          {
            ...axis,
            size: isState ? 84 : 62,
            values: (_, ticks) => ticks.map(format),
            ...(isState && { splits: () => chart.states.map((_, index) => index) }),
          },
        ],
        series: [
          { label: 'time', value: (_, value) => (value === null ? '–' : hotfire.clock(value * 1_000, true)) },
          ...chart.lines.map((line, index) => ({
            label: line.label,
            stroke: palette.tones[line.tone] ?? palette.lines[index % palette.lines.length],
            width: 1.75,
            points: { show: false },
            value: (_, value) => format(value),
            ...(isState && { paths: uPlot.paths.stepped({ align: 1 }) }),
          })),
        ],
        plugins: [
          hotfire.guiltShading(hotfire.guiltBands(), palette),
          hotfire.faultShading(data.faults, palette),
          hotfire.alertMarks(data.alerts, palette),
          hotfire.thresholdLines(chart.thresholds, palette),
        ],
        hooks: { setSelect: [(self) => self.select.width > 0 && chooseWindow(self)] },
      },
      [chart.times.map((ms) => ms / 1_000), ...chart.lines.map(({ values }) => values)],
      box,
    );
    follow(plot);
    legendKeys(plot);
    return plot;
  };

  /** A chart in its card. `onClose`: there is a button to remove it. */
  const card = (chart, onClose) => {
    const box = el('div', { class: 'plot' });
    const close =
      onClose &&
      el(
        'button',
        { type: 'button', class: 'quiet', 'aria-label': `Remove ${chart.title}`, onclick: () => onClose() },
        '✕',
      );
    const more =
      chart.omitted > 0 ? el('p', { class: 'help' }, `${chart.omitted} more series are not drawn.`) : undefined;
    const figure = el(
      'figure',
      { class: 'card chart' },
      el(
        'figcaption',
        {},
        el('div', { class: 'chart-title' }, el('h3', { title: chart.metric }, chart.title), close),
        el('p', { class: 'help' }, chart.help),
      ),
      box,
      more,
    );
    let plot;
    const render = () => {
      if (plot) {
        plots.delete(plot);
        plot.destroy();
      }
      plot = draw(chart, box);
      plots.add(plot);
    };
    const observer = new ResizeObserver(() => {
      if (plot && box.clientWidth > 0 && box.clientWidth !== plot.width)
        plot.setSize({ width: box.clientWidth, height: HEIGHT });
    });
    observer.observe(box);
    return {
      figure,
      render,
      remove() {
        observer.disconnect();
        plots.delete(plot);
        plot.destroy();
        figure.remove();
      },
    };
  };

  /** The section: the engine's own charts, then those that the reader picks. */
  hotfire.renderCharts = (section) => {
    const { data } = hotfire;
    const presets = data.presets
      .map((preset) => hotfire.presetChart(data, preset))
      .filter((chart) => chart !== undefined);
    const [latency, ...others] = presets;
    const [throughput, clientLatency] = hotfire.clientCharts(data);
    const charts = [latency, throughput, ...others.slice(0, 1), clientLatency, ...others.slice(1)].filter(
      (chart) => chart !== undefined,
    );
    const cards = new Map();
    const grid = el('div', { class: 'charts' });
    const show = (chart, onClose) => {
      const made = card(chart, onClose);
      grid.append(made.figure);
      made.render();
      return made;
    };
    const names = data.metrics.map(({ name }) => name).sort();
    const picker = el('input', {
      list: 'metric-names',
      id: 'metric-picker',
      placeholder: 'Add any metric',
      autocomplete: 'off',
    });
    const add = () => {
      const name = picker.value.trim();
      const chart = cards.has(name) ? undefined : hotfire.metricChart(data, name);
      if (!chart) return;
      picker.value = '';
      const made = show(chart, () => {
        made.remove();
        cards.delete(name);
      });
      cards.set(name, made);
      made.figure.scrollIntoView({ block: 'nearest' });
    };
    picker.addEventListener('input', () => names.includes(picker.value) && add());
    picker.addEventListener('keydown', (event) => event.key === 'Enter' && add());
    section.append(
      ...hotfire.heading(
        'Charts',
        `Drag over a chart to zoom all of them, double-click to see the whole run. Click a name below a chart to hide its line.${
          hotfire.data.leftOut.samples > 0
            ? ' Away from faults, alerts and violations not every sample is drawn: all are in report.json.'
            : ''
        }`,
      ),
      el(
        'div',
        { class: 'tools' },
        el('label', { for: 'metric-picker' }, `All ${names.length} metrics:`),
        picker,
        el(
          'datalist',
          { id: 'metric-names' },
          names.map((name) => el('option', { value: name })),
        ),
        el(
          'button',
          { type: 'button', id: 'zoom-reset', hidden: true, onclick: () => hotfire.setTimeWindow() },
          'Show the whole run',
        ),
        el(
          'span',
          { class: 'key' },
          el('i', { class: 'swatch fault' }),
          'fault active',
          el('i', { class: 'rule pending' }),
          'pending',
          el('i', { class: 'rule firing' }),
          'alert fires',
          el('i', { class: 'rule resolved' }),
          'resolved',
        ),
      ),
      grid,
    );
    const shown = charts.map((chart) => show(chart));
    if (shown.length === 0) grid.append(el('p', { class: 'empty' }, 'Pick a metric above.'));
    hotfire.onTimeWindowSettled(() => {
      for (const plot of plots) follow(plot);
      hotfire.byId('zoom-reset').hidden = hotfire.isWholeRun();
    });
    hotfire.redrawCharts = () => {
      for (const one of [...shown, ...cards.values()]) one.render();
    };
  };
})();
