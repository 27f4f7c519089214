import { kafkaErrors } from '../../../../wire/kafka/errors.ts';
import type { DeleteTopicsRequest, DeleteTopicsResponse } from '../../../../wire/kafka/messages/deleteTopics.ts';
import { zeroUuid } from '../../../../wire/kafka/schema/types.ts';
import { hexOf } from '../../meta/json.ts';
import type { RequestContext } from '../api.ts';
import { maxAdminTimeoutMs } from './createTopics.ts';
import { codeOfFailure, textOfFailure } from './failure.ts';

type TopicAnswer = DeleteTopicsResponse['responses'][number];

interface Question {
  readonly name: string | null;
  readonly topicId: Uint8Array;
  /** The topic as this broker knows it. */
  readonly known: string | undefined;
}

/** DeleteTopics: by name, from version 6 on also by id. */
export async function deleteTopics(
  request: DeleteTopicsRequest,
  context: RequestContext,
): Promise<DeleteTopicsResponse> {
  const { services, signal } = context;
  const { metadata } = services;
  const asked: Question[] = [
    ...request.topicNames.map((name) => ({ name, topicId: zeroUuid, known: name })),
    ...request.topics.map(({ name, topicId }) => ({
      name,
      topicId,
      known: name ?? metadata.topicById(topicId)?.name,
    })),
  ];
  // An id that is not known here may be known to the leader of the metadata already: whose topic it is decides who may delete it.
  const permitted = asked.filter(({ known }) => known !== undefined && context.authorize('delete', 'topic', known));
  const answers = new Map<Question, TopicAnswer>();
  try {
    const outcomes =
      permitted.length === 0
        ? []
        : await services.commands.submit(
            {
              type: 'delete-topics',
              topics: permitted.map(({ name, topicId }) => ({
                name: name ?? undefined,
                id: name === null ? hexOf(topicId) : undefined,
              })),
            },
            { timeoutMs: Math.min(Math.max(request.timeoutMs, 1), maxAdminTimeoutMs), signal },
          );
    for (const [at, { errorCode, errorMessage, name }] of outcomes.entries()) {
      const question = permitted[at];
      if (question === undefined) throw new Error(`${outcomes.length} outcomes of ${permitted.length} deletions`);
      const shown = question.name ?? (name === '' ? null : name);
      answers.set(question, {
        name: shown,
        topicId: question.topicId,
        errorCode,
        errorMessage: errorMessage ?? null,
      });
    }
  } catch (error) {
    const errorCode = codeOfFailure(error);
    for (const question of permitted) {
      const { name, topicId } = question;
      answers.set(question, { name, topicId, errorCode, errorMessage: textOfFailure(error) });
    }
  }
  return {
    responses: asked.map(
      (question) =>
        answers.get(question) ?? {
          // Who asks by id and may not delete the topic does not learn its name.
          name: question.name,
          topicId: question.topicId,
          errorCode:
            question.known === undefined ? kafkaErrors.UNKNOWN_TOPIC_ID : kafkaErrors.TOPIC_AUTHORIZATION_FAILED,
        },
    ),
  };
}
