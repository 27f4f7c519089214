// Search in the diagram: over labels of messages, names of machines, operations, faults, marks and logs.
(() => {
  const { hotfire } = globalThis;
  const { diagram } = hotfire;

  let operationTexts;

  /** The texts of the operations, made at the first search: 20,000 rows of JSON are not joined for a reader who never asks. */
  const textsOfOperations = () => {
    operationTexts ??= hotfire.observed.operations.rows.map(
      ({ id, process, f, node, outcome, input, output, code, message }) =>
        `#${id} p${process} ${f} ${node} ${outcome} ${input} ${output} ${code} ${message}`.toLowerCase(),
    );
    return operationTexts;
  };

  const messageHits = (words, filter) => {
    const { messages } = hotfire.observed;
    const labels = messages.labels.map((label) => label.toLowerCase());
    const nodes = messages.nodes.map((node) => node.toLowerCase());
    const hits = [];
    for (let index = 0; index < messages.count; index += 1) {
      if (filter.messages[index] === 0) continue;
      const label = labels[messages.label[index]];
      const from = nodes[messages.from[index]];
      const to = nodes[messages.to[index]];
      if (words.every((word) => label.includes(word) || from.includes(word) || to.includes(word)))
        hits.push(diagram.messageItem(index));
    }
    return hits;
  };

  const matching = (texts, words, make) =>
    texts.flatMap((text, index) => (words.every((word) => text.includes(word)) ? [make(index)] : []));

  /** Everything that holds all words of the text, by time; messages that are filtered away are left out. */
  diagram.search = (text, scene, filter) => {
    const words = text
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');
    if (words.length === 0) return [];
    const { logs } = hotfire.observed;
    const lower = (texts) => texts.map((one) => one.toLowerCase());
    return [
      ...messageHits(words, filter),
      ...matching(textsOfOperations(), words, diagram.operationItem),
      ...matching(
        lower(logs.map(({ node, level, message, fields }) => `${node} ${level} ${message} ${JSON.stringify(fields)}`)),
        words,
        diagram.logItem,
      ),
      ...matching(lower(scene.marks.map(({ text: said, node }) => `${node} ${said}`)), words, (index) =>
        diagram.markItem(scene, index),
      ),
      ...matching(
        lower(scene.faults.map(({ fault }) => `${fault.name} ${fault.nodes.join(' ')} ${fault.text}`)),
        words,
        (index) => diagram.faultItem(scene.faults[index].fault),
      ),
    ].sort((a, b) => a.atMs - b.atMs);
  };
})();
