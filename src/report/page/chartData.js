// From the run's metrics to what a chart draws: one time axis, lines with short names.
(() => {
  const { hotfire } = globalThis;

  /** More lines than this in one chart cannot be told apart. */
  const LINES_MAX = 10;

  /** Growth a second between neighbouring samples; a counter that fell began again at zero. */
  const rates = (times, values) => {
    let before = -1;
    return values.map((value, index) => {
      if (value === null) return null;
      const last = before;
      before = index;
      if (last < 0) return null;
      const growth = value < values[last] ? value : value - values[last];
      return growth / ((times[index] - times[last]) / 1_000);
    });
  };

  /** The labels that tell these series apart. */
  const distinguishing = (series) => {
    const names = new Set(series.flatMap(({ labels }) => Object.keys(labels)));
    return [...names].filter((name) => new Set(series.map(({ labels }) => labels[name])).size > 1);
  };

  const lineName = (labels, names, fallback) => {
    const parts = names
      .filter((name) => labels[name] !== undefined)
      .map((name) => {
        if (name === 'quantile') return `p${Number((Number(labels.quantile) * 100).toPrecision(6))}`;
        if (name === 'instance') return labels.instance.replace(/:\d+$/, '');
        return ['state', 'operation', 'status', 'code', 'device', 'dir'].includes(name)
          ? labels[name]
          : `${name}=${labels[name]}`;
      });
    return parts.length > 0 ? parts.join(' ') : fallback;
  };

  /** Lines that are never anything but zero or empty go last, so that a full chart shows what moved. */
  const byInterest = (lines) => {
    const moves = (line) => line.values.some((value) => value !== null && value !== 0);
    return [...lines.filter(moves), ...lines.filter((line) => !moves(line))];
  };

  const stateChart = (data, metric) => {
    const states = [...new Set(metric.series.map(({ labels }) => labels.state))];
    const nodes = [...new Set(metric.series.map(({ labels }) => labels.instance ?? ''))];
    const lines = nodes.map((node) => {
      const own = metric.series.filter(({ labels }) => (labels.instance ?? '') === node);
      const values = data.axes[metric.axis].map((_, index) => {
        const present = own.find((one) => one.values[index] === 1);
        return present ? states.indexOf(present.labels.state) : null;
      });
      return { label: node.replace(/:\d+$/, '') || metric.name, values };
    });
    return { times: data.axes[metric.axis], lines, states };
  };

  const guessUnit = (name, isRate) => {
    if (isRate) return 'per-second';
    if (/_seconds$/.test(name)) return 'seconds';
    return /_bytes$/.test(name) ? 'bytes' : 'count';
  };

  /** A chart as a preset wants it; undefined when the run has no such metric. */
  hotfire.presetChart = (data, preset) => {
    const metric = data.metrics.find(({ name }) => name === preset.metric);
    if (!metric || metric.series.length === 0) return undefined;
    const { title, help, unit, thresholds } = preset;
    if (preset.show === 'state')
      return { title, help, unit, thresholds, metric: metric.name, ...stateChart(data, metric) };
    return { title, help, unit, thresholds, ...valueChart(data, metric, preset.show === 'rate') };
  };

  const valueChart = (data, metric, isRate) => {
    const times = data.axes[metric.axis];
    const names = distinguishing(metric.series);
    const all = metric.series.map(({ labels, values }) => ({
      label: lineName(labels, names, metric.name.replace(/^[a-z]+_/, '')),
      values: isRate ? rates(times, values) : values,
    }));
    const lines = byInterest(all).slice(0, LINES_MAX);
    return { times, lines, omitted: all.length - lines.length, metric: metric.name };
  };

  /** A chart of any metric: counters as their growth a second. */
  hotfire.metricChart = (data, name) => {
    const metric = data.metrics.find((one) => one.name === name);
    if (!metric) return undefined;
    const isRate = metric.type === 'counter' || /_(?:total|count|sum|bucket)$/.test(name);
    return {
      title: isRate ? `${name}, a second` : name,
      help: metric.help,
      unit: guessUnit(name, isRate),
      thresholds: [],
      ...valueChart(data, metric, isRate),
    };
  };

  /** What the clients saw: two charts from the run's windows. */
  hotfire.clientCharts = (data) => {
    const { windows } = data.operations;
    if (windows.length === 0) return [];
    const times = windows.map(({ fromMs, toMs }) => (fromMs + toMs) / 2);
    const perSecond = (key) => windows.map((window) => window[key] / ((window.toMs - window.fromMs) / 1_000));
    return [
      {
        title: 'Client operations a second',
        help: 'ok: done. fail: refused, certainly without effect. info: no answer, or one that leaves it open.',
        unit: 'per-second',
        thresholds: [],
        times,
        lines: ['ok', 'fail', 'info'].map((key) => ({ label: key, values: perSecond(key), tone: key })),
      },
      {
        title: 'Client latency p99',
        help: 'From the call of a client to its answer, over the simulated network.',
        unit: 'milliseconds',
        thresholds: [],
        times,
        lines: [{ label: 'p99', values: windows.map(({ p99Ms, ok }) => (ok > 0 ? p99Ms : null)) }],
      },
    ];
  };
})();
