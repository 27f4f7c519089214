/*
 * The physical limit beside which the bus is measured: the same rings, slots, redo record and handshakes, in C, between two or three
 * threads or processes. A message has 16 words, all written by the producer and compared by the consumer.
 *
 *   ring rate   SHAPE WHO MESSAGES BATCH SPINS HUGE    prints: messages seconds cpuMicroseconds
 *   ring trip   SHAPE WHO TRIPS    SPINS HUGE          prints: trips p50 p99 p999 (nanoseconds one way)
 *   ring futex  TRIPS                                  prints: trips p50 p99 p999
 *   ring queue  MESSAGES                               prints: messages seconds cpuMicroseconds (POSIX message queue)
 *
 * SHAPE: hop (one source, no router), two (router and consumer share a thread), three. WHO: threads, processes.
 * SPINS: looks before a sleep; -1 never sleeps. HUGE: 1 for pages of 2 MiB.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { slots = 4096, mask = slots - 1, laneRing = 8192, laneMask = laneRing - 1, capacity = 4096, slotWords = 32, words = 16, most = 256 };
typedef _Atomic int32_t word;
typedef struct { word it; char pad[124]; } lineWord;
typedef struct { int32_t slot, bytes, topic, sequence; } descriptor;
typedef struct { word sleeping, sequence; char pad[120]; } bell;

/* One way: source, lane, return ring. A hop uses source and return ring alone. */
typedef struct {
  lineWord sourceTail, sourceHead, returnTail, returnHead, laneTail, laneHead, reclaimed, doorbell;
  bell producer, router, consumer;
  struct { word sealed, done, count, pad; int32_t pairs[64]; } redo;
  descriptor source[slots], lane[laneRing];
  int32_t returns[slots];
  int32_t pool[slots][slotWords];
} way;

static struct { way ways[2]; word begun; double began, ended; } *shared;
static int spins = 0;

static void stop(const char *what) {
  fprintf(stderr, "ring: %s: %s\n", what, strerror(errno));
  exit(1);
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}
static int32_t load(word *it) { return atomic_load(it); }
static void ring(bell *it) {
  if (load(&it->sleeping) == 0) return;
  atomic_fetch_add(&it->sequence, 1);
  syscall(SYS_futex, &it->sequence, FUTEX_WAKE, 1, NULL, NULL, 0);
}
/* Looks, says that it sleeps, looks again, sleeps a millisecond at most. */
static void rest(bell *it, int (*look)(way *), way *of) {
  for (int spin = 0; spins < 0 || spin <= spins; spin++) if (look(of)) return;
  atomic_store(&it->sleeping, 1);
  int32_t sequence = load(&it->sequence);
  if (!look(of)) {
    struct timespec bound = {0, 1000000};
    syscall(SYS_futex, &it->sequence, FUTEX_WAIT, sequence, &bound, NULL, 0);
  }
  atomic_store(&it->sleeping, 0);
}

/* The producer's own memory. */
typedef struct { way *of; int32_t stack[slots], count, returnHead, tail, flushed, sequence; } producer;
static void openProducer(producer *it, way *of) {
  memset(it, 0, sizeof *it);
  it->of = of;
  for (int slot = 0; slot < slots; slot++) it->stack[slot] = slots - 1 - slot;
  it->count = slots;
}
static void flush(producer *it) {
  if (it->tail == it->flushed) return;
  atomic_store(&it->of->sourceTail.it, it->tail);
  it->flushed = it->tail;
  if ((load(&it->of->doorbell.it) & 1) == 0) atomic_fetch_or(&it->of->doorbell.it, 1);
  ring(&it->of->router);
}
static int fetch(producer *it) {
  int32_t tail = load(&it->of->returnTail.it);
  if (tail == it->returnHead) return 0;
  for (; it->returnHead != tail; it->returnHead++) it->stack[it->count++] = it->of->returns[it->returnHead & mask];
  atomic_store(&it->of->returnHead.it, it->returnHead);
  return 1;
}
static int slotsCame(way *of) { return load(&of->returnTail.it) != load(&of->returnHead.it); }
static void publish(producer *it, int batch) {
  while (it->count == 0 && !fetch(it)) {
    flush(it);
    rest(&it->of->producer, slotsCame, it->of);
  }
  int32_t slot = it->stack[--it->count], sequence = it->sequence++;
  int32_t *at = it->of->pool[slot];
  at[0] = sequence;
  at[1] = words * 4;
  at[2] = at[3] = 0;
  for (int k = 0; k < words; k++) at[4 + k] = sequence + k;
  it->of->source[it->tail & mask] = (descriptor){slot, words * 4, 0, sequence};
  it->tail++;
  if (it->tail - it->flushed >= batch) flush(it);
}

static void check(const int32_t *at, int32_t sequence) {
  int32_t wrong = 0;
  for (int k = 0; k < words; k++) wrong |= at[k] ^ (sequence + k);
  if (wrong) { fprintf(stderr, "ring: message %d is torn\n", sequence); exit(1); }
}

/* A consumer at a source itself. */
typedef struct { way *of; int32_t head, returnTail, expected; int32_t copy[most][words]; } reader;
static int sourceHas(way *of) { return load(&of->sourceTail.it) != load(&of->sourceHead.it); }
static int takeHop(reader *it) {
  int32_t count = load(&it->of->sourceTail.it) - it->head;
  if (count > most) count = most;
  if (count == 0) return 0;
  if (load(&it->of->doorbell.it)) atomic_exchange(&it->of->doorbell.it, 0);
  for (int index = 0; index < count; index++) {
    descriptor *from = &it->of->source[(it->head + index) & mask];
    memcpy(it->copy[index], it->of->pool[from->slot] + 4, words * 4);
    it->of->returns[(it->returnTail + index) & mask] = from->slot;
  }
  it->head += count;
  it->returnTail += count;
  atomic_store(&it->of->sourceHead.it, it->head);
  atomic_store(&it->of->returnTail.it, it->returnTail);
  ring(&it->of->producer);
  for (int index = 0; index < count; index++) check(it->copy[index], it->expected++);
  return count;
}

/* The router: observe, plan, seal, apply, wake. */
typedef struct { way *of; int32_t sourceHead, laneTail, seen, returnTail, redo; uint8_t lanesOf[slots]; } router;
static int routerHas(way *of) { return load(&of->doorbell.it) != 0 || load(&of->laneHead.it) != load(&of->reclaimed.it); }
static int poll(router *it) {
  way *of = it->of;
  int pairs = 0, taken = 0;
#define stage(which, value) (of->redo.pairs[2 * pairs] = (int32_t)((char *)&of->which.it - (char *)of), of->redo.pairs[2 * pairs++ + 1] = (value))
  int32_t head = load(&of->laneHead.it);
  for (; it->seen != head; it->seen++) {
    int32_t slot = of->lane[it->seen & laneMask].slot & 0xfffff;
    if (--it->lanesOf[slot] == 0) of->returns[it->returnTail++ & mask] = slot;
  }
  if (load(&of->doorbell.it)) atomic_exchange(&of->doorbell.it, 0);
  int32_t waiting = load(&of->sourceTail.it) - it->sourceHead;
  while (taken < waiting && taken < most && it->laneTail - it->seen < capacity) {
    descriptor from = of->source[it->sourceHead & mask];
    it->lanesOf[from.slot]++;
    of->lane[it->laneTail++ & laneMask] = from;
    it->sourceHead++;
    taken++;
  }
  if (taken < waiting) atomic_fetch_or(&of->doorbell.it, 1);
  if (taken) { stage(sourceHead, it->sourceHead); stage(laneTail, it->laneTail); }
  if (load(&of->reclaimed.it) != it->seen) { stage(reclaimed, it->seen); stage(returnTail, it->returnTail); }
  if (pairs == 0) return 0;
  of->redo.count = pairs;
  atomic_store(&of->redo.sealed, ++it->redo);
  for (int index = 0; index < pairs; index++) {
    atomic_store((word *)((char *)of + of->redo.pairs[2 * index]), of->redo.pairs[2 * index + 1]);
  }
  atomic_store(&of->redo.done, it->redo);
  if (taken) ring(&of->consumer);
  ring(&of->producer);
  return taken;
}
static int laneHas(way *of) { return load(&of->laneTail.it) != load(&of->laneHead.it); }
static int takeLane(reader *it) {
  int32_t count = load(&it->of->laneTail.it) - it->head;
  if (count > most) count = most;
  if (count == 0) return 0;
  for (int index = 0; index < count; index++) {
    descriptor *from = &it->of->lane[(it->head + index) & laneMask];
    memcpy(it->copy[index], it->of->pool[from->slot & 0xfffff] + 4, words * 4);
  }
  int32_t expected = it->head;
  if (!atomic_compare_exchange_strong(&it->of->laneHead.it, &expected, it->head + count)) return 0;
  it->head += count;
  ring(&it->of->router);
  for (int index = 0; index < count; index++) check(it->copy[index], it->expected++);
  return count;
}
static int eitherHas(way *of) { return routerHas(of) || laneHas(of); }

static int shape, messages, batch;
static void begin(int participants) {
  atomic_fetch_add(&shared->begun, 1);
  while (load(&shared->begun) < participants) sched_yield();
}
static int participants(void) { return shape == 3 ? 3 : 2; }
static void *produceAll(void *ignored) {
  static producer it;
  openProducer(&it, &shared->ways[0]);
  begin(participants());
  for (int index = 0; index < messages; index++) publish(&it, batch);
  flush(&it);
  return ignored;
}
static void *consumeAll(void *ignored) {
  static reader it;
  static router own;
  it.of = own.of = &shared->ways[0];
  begin(participants());
  shared->began = now();
  for (int got = 0; got < messages;) {
    if (shape == 2) poll(&own);
    int count = shape == 1 ? takeHop(&it) : takeLane(&it);
    got += count;
    if (count) continue;
    if (shape == 1) rest(&it.of->router, sourceHas, it.of);
    else if (shape == 2) rest(&it.of->router, eitherHas, it.of);
    else rest(&it.of->consumer, laneHas, it.of);
  }
  shared->ended = now();
  atomic_store(&shared->begun, 1000);
  return ignored;
}
static void *routeAll(void *ignored) {
  static router it;
  it.of = &shared->ways[0];
  begin(participants());
  while (load(&shared->begun) < 1000) if (poll(&it) == 0) rest(&it.of->router, routerHas, it.of);
  return ignored;
}

/* Round trips: way 0 there, way 1 back. Where a router is between, the answering side polls it for both ways. */
static float *trips;
static void *answerTrips(void *ignored) {
  static reader there;
  static router routers[2];
  static producer back;
  there.of = routers[0].of = &shared->ways[0];
  routers[1].of = &shared->ways[1];
  openProducer(&back, &shared->ways[1]);
  begin(2);
  for (int got = 0; got < messages;) {
    if (shape != 1) { poll(&routers[0]); poll(&routers[1]); }
    int count = shape == 1 ? takeHop(&there) : takeLane(&there);
    if (count) {
      got += count;
      publish(&back, 1);
      if (shape != 1) poll(&routers[1]);
    } else rest(&there.of->router, shape == 1 ? sourceHas : eitherHas, there.of);
  }
  return ignored;
}
static void *makeTrips(void *ignored) {
  static reader back;
  static producer there;
  openProducer(&there, &shared->ways[0]);
  back.of = &shared->ways[1];
  begin(2);
  for (int index = 0; index < messages; index++) {
    double began = now();
    publish(&there, 1);
    while ((shape == 1 ? takeHop(&back) : takeLane(&back)) == 0) {
      if (shape == 1) rest(&back.of->router, sourceHas, back.of);
      else rest(&back.of->consumer, laneHas, back.of);
    }
    trips[index] = (now() - began) / 2;
  }
  return ignored;
}

static void *futexTrips(void *answers) {
  word *there = &shared->ways[0].sourceTail.it, *back = &shared->ways[0].sourceHead.it;
  for (int index = 1; index <= messages; index++) {
    double began = now();
    if (answers == NULL) {
      atomic_store(there, index);
      syscall(SYS_futex, there, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
    word *mine = answers ? there : back;
    while (load(mine) < index) syscall(SYS_futex, mine, FUTEX_WAIT, index - 1, NULL, NULL, 0);
    if (answers) {
      atomic_store(back, index);
      syscall(SYS_futex, back, FUTEX_WAKE, 1, NULL, NULL, 0);
    } else trips[index - 1] = (now() - began) / 2;
  }
  return NULL;
}

static void run(int processes, int count, void *(*bodies[])(void *)) {
  pthread_t threads[3];
  for (int index = 1; index < count; index++) {
    void *given = bodies[index] == futexTrips ? (void *)1 : NULL;
    if (!processes) { if (pthread_create(&threads[index], NULL, bodies[index], given)) stop("pthread_create"); }
    else if (fork() == 0) { bodies[index](given); _exit(0); }
  }
  bodies[0](NULL);
  for (int index = 1; index < count; index++) {
    if (processes) wait(NULL);
    else pthread_join(threads[index], NULL);
  }
}
static int compare(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}
static void tellTrips(void) {
  qsort(trips, messages, sizeof *trips, compare);
  printf("%d %.0f %.0f %.0f\n", messages, trips[messages / 2], trips[(int)(messages * .99)], trips[(int)(messages * .999)]);
}
static void tellRate(double seconds) {
  struct rusage own, children;
  getrusage(RUSAGE_SELF, &own);
  getrusage(RUSAGE_CHILDREN, &children);
  double cpu = 0;
  struct timeval times[] = {own.ru_utime, own.ru_stime, children.ru_utime, children.ru_stime};
  for (int index = 0; index < 4; index++) cpu += times[index].tv_sec * 1e6 + times[index].tv_usec;
  printf("%d %.6f %.0f\n", messages, seconds, cpu);
}

static void queueRate(void) {
  char name[64];
  snprintf(name, sizeof name, "/hotfire-bench-%d", getpid());
  struct mq_attr attributes = {.mq_maxmsg = 10, .mq_msgsize = words * 4};
  mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attributes);
  if (queue == (mqd_t)-1) stop("mq_open");
  mq_unlink(name);
  int32_t message[words];
  double began = now();
  if (fork() == 0) {
    for (int index = 0; index < messages; index++) {
      for (int k = 0; k < words; k++) message[k] = index + k;
      if (mq_send(queue, (char *)message, sizeof message, 0)) stop("mq_send");
    }
    _exit(0);
  }
  for (int index = 0; index < messages; index++) {
    if (mq_receive(queue, (char *)message, sizeof message, NULL) < 0) stop("mq_receive");
    check(message, index);
  }
  double seconds = (now() - began) / 1e9;
  wait(NULL);
  tellRate(seconds);
}

int main(int count, char **given) {
  if (count < 3) return 64;
  int isRate = strcmp(given[1], "rate") == 0, isTrip = strcmp(given[1], "trip") == 0, processes = 0, huge = 0;
  if (isRate || isTrip) {
    if (count != (isRate ? 8 : 7)) return 64;
    shape = strcmp(given[2], "hop") == 0 ? 1 : strcmp(given[2], "two") == 0 ? 2 : 3;
    processes = strcmp(given[3], "processes") == 0;
    messages = atoi(given[4]);
    batch = isRate ? atoi(given[5]) : 1;
    spins = atoi(given[isRate ? 6 : 5]);
    huge = atoi(given[isRate ? 7 : 6]);
  } else messages = atoi(given[2]);
  size_t bytes = (sizeof *shared + (2 << 20) - 1) / (2 << 20) * (2 << 20);
  shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE | (huge ? MAP_HUGETLB : 0), -1, 0);
  if (shared == MAP_FAILED) stop("mmap");
  trips = calloc(messages, sizeof *trips);
  if (isRate) {
    void *(*bodies[])(void *) = {consumeAll, produceAll, routeAll};
    run(processes, participants(), bodies);
    tellRate((shared->ended - shared->began) / 1e9);
  } else if (isTrip) {
    void *(*bodies[])(void *) = {makeTrips, answerTrips};
    run(processes, 2, bodies);
    tellTrips();
  } else if (strcmp(given[1], "futex") == 0) {
    void *(*bodies[])(void *) = {futexTrips, futexTrips};
    run(1, 2, bodies);
    tellTrips();
  } else if (strcmp(given[1], "queue") == 0) queueRate();
  else return 64;
  return 0;
}
