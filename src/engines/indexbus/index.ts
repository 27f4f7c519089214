/** The library's door: attach to a bus, publish and receive, or run its router beside them. */
export { Bus, type BusOptions, type ConsumerOptions, openBus, type ProducerOptions } from './bus.ts';
export type { Consumer } from './busConsumer.ts';
export type { Producer } from './busProducer.ts';
export type { LaneChange, RouterCommand, Subscription } from './commands.ts';
export { type IndexbusConfig, indexbusConfigSchema } from './config.ts';
export type { SegmentDescription } from './describeSegment.ts';
export { BusError, type BusErrorCode, busErrorStatus, FencedError } from './errors.ts';
export { type SegmentSizes, segmentBytes } from './layout.ts';
export { MessageBatch } from './messageBatch.ts';
export type { TopicId } from './producer.ts';
export { Router, type RouterDependencies } from './router.ts';
export { createSegment, openSegment, type Segment, type SegmentPlace } from './segment.ts';
