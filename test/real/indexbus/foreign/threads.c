/* Two producers, a router and two consumers in C, as threads over one mapping laid out by the generated header. Each message is checked word by word.
 * Built with -fsanitize=thread, which reports a race wherever the protocol does not order two accesses.
 *
 * A further thread reads the cuts that the router writes between two polls, and holds one word of each against the others.
 *
 * Usage: threads blocking|oldest MESSAGES. Prints "sent N received N evicted N"; exits 1 with a reason where something does not hold. A
 * sleep has no bound here: a wake that is lost hangs, and the alarm ends it. */
#include <pthread.h>
#include <stdio.h>

#ifndef ORDER_LANE_TAIL
#define ORDER_LANE_TAIL __ATOMIC_SEQ_CST
#endif
#ifndef ORDER_RETURN_TAIL
#define ORDER_RETURN_TAIL __ATOMIC_SEQ_CST
#endif

#include "peer.h"
#include <sys/mman.h>

enum { producers = 2, lanes = 2, slots = 64, capacity = 16, batch = 8, seconds = 300 };
/* All cursors begin shortly before they wrap. */
static const uint32_t first = 0xffffff9cu;

static struct bus bus;
static uint32_t messages;
static uint64_t evicted[lanes], received[lanes];

static void fail(const char *what, uint32_t one, uint32_t other) {
  fprintf(stderr, "%s: %u %u\n", what, one, other);
  _exit(1);
}

static uint32_t mixed(uint32_t producer, uint32_t number, uint32_t word) {
  uint32_t value = (producer * 0x9e3779b9u) ^ (number * 0x85ebca6bu) ^ (word * 0xc2b2ae35u);
  value ^= value >> 15;
  return value * 0x2c1b3c6du;
}

static uint32_t bytes_of(uint32_t number) { return 8 + number % 11 * 4; }

static void *produce(void *argument) {
  struct publisher p;
  publisher_open(&p, &bus, *(const uint32_t *)argument);
  uint32_t payload[16];
  for (uint32_t number = 0; number < messages; number++) {
    const uint32_t bytes = bytes_of(number);
    payload[0] = p.number;
    payload[1] = number;
    for (uint32_t word = 2; word < bytes / 4; word++) payload[word] = mixed(p.number, number, word);
    while (!publisher_publish(&p, 0, payload, bytes)) publisher_wait(&p, -1);
    if (number % 7 == 0) publisher_flush(&p);
  }
  publisher_flush(&p);
  free(p.stack);
  return NULL;
}

/* The end of a lane: the router has nothing more for it. */
static uint32_t ended;

static void *consume(void *argument) {
  const uint32_t lane = *(const uint32_t *)argument;
  struct receiver r;
  receiver_open(&r, &bus, lane, batch);
  uint32_t next[producers] = {0};
  for (;;) {
    const int count = receiver_receive(&r);
    if (count < 0) break;
    if (count == 0) receiver_wait(&r, -1);
    for (int index = 0; index < count; index++) {
      const struct message *m = &r.messages[index];
      const uint32_t number = m->payload[1];
      if (m->payload[0] != m->producer || number != m->sequence) fail("payload of another message", number, m->sequence);
      if (m->bytes != bytes_of(number)) fail("length", m->bytes, bytes_of(number));
      if (number < next[m->producer]) fail("twice or out of order", number, next[m->producer]);
      if (!bus.evicts && number != next[m->producer]) fail("lost", number, next[m->producer]);
      for (uint32_t word = 2; word < m->bytes / 4; word++) {
        if (m->payload[word] != mixed(m->producer, number, word)) fail("torn", number, word);
      }
      next[m->producer] = number + 1;
      received[lane]++;
    }
  }
  free(r.messages);
  free(r.payloads);
  return NULL;
}

/* The router: broadcast to both lanes, one cursor store a poll, slots home when the last lane has let go. */
struct router {
  uint32_t source_head[producers], return_tail[producers];
  uint32_t tail[lanes], reclaimed[lanes];
  uint8_t away[producers][slots];
};

static uint32_t *lane_cursors(uint32_t lane) { return bus.words + bus.at.lane_cursors + lane * HFIB_CURSOR_WORDS; }
static uint32_t *producer_cursors(uint32_t number) { return bus.words + bus.at.producer_cursors + number * HFIB_CURSOR_WORDS; }
static uint32_t *lane_entry(uint32_t lane, uint32_t cursor) {
  return bus.words + bus.at.lane_rings + ((uint64_t)lane * bus.sizes.lane_ring + (cursor & (bus.sizes.lane_ring - 1))) * HFIB_DESCRIPTOR_WORDS;
}

static void reclaim(struct router *r, uint32_t lane, uint32_t head) {
  for (; r->reclaimed[lane] != head; r->reclaimed[lane]++) {
    const uint32_t word0 = copied(&bus, lane_entry(lane, r->reclaimed[lane]));
    const uint32_t owner = word0 >> HFIB_DESCRIPTOR_SLOT_BITS, slot = word0 & ((1u << HFIB_DESCRIPTOR_SLOT_BITS) - 1);
    if (--r->away[owner][slot] > 0) continue;
    bus.words[bus.at.returns + owner * slots + (r->return_tail[owner]++ & (slots - 1))] = slot;
  }
}

/* Room for one message in the lane: 1, or 0 where its source has to wait. Evicts by freezing the head. */
static int room(struct router *r, uint32_t lane) {
  uint32_t *head = &lane_cursors(lane)[HFIB_LANE_HEAD];
  for (;;) {
    uint32_t seen = load(head);
    reclaim(r, lane, seen);
    if (r->tail[lane] - seen < capacity) return 1;
    if (!bus.evicts) return 0;
    /* Entries beyond the stored tail were not given to the consumer yet: nothing of them is evicted. */
    if (seen == load(&lane_cursors(lane)[HFIB_LANE_TAIL])) return 0;
    if (!__atomic_compare_exchange_n(head, &seen, hfib_frozen(seen), 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) continue;
    store(head, seen + 1);
    evicted[lane]++;
  }
}

static uint32_t route(struct router *r) {
  uint32_t taken = 0;
  for (uint32_t producer = 0; producer < producers; producer++) {
    const uint32_t tail = load(&producer_cursors(producer)[HFIB_PRODUCER_SOURCE_TAIL]);
    for (; r->source_head[producer] != tail && taken < batch; taken++) {
      int fits = 1;
      for (uint32_t lane = 0; lane < lanes; lane++) fits &= room(r, lane);
      if (!fits) break;
      const uint32_t *from = bus.words + bus.at.sources + ((uint64_t)producer * slots + (r->source_head[producer] & (slots - 1))) * HFIB_DESCRIPTOR_WORDS;
      for (uint32_t lane = 0; lane < lanes; lane++) {
        uint32_t *to = lane_entry(lane, r->tail[lane]++);
        put(&bus, &to[0], producer << HFIB_DESCRIPTOR_SLOT_BITS | from[0]);
        for (uint32_t word = 1; word < HFIB_DESCRIPTOR_WORDS; word++) put(&bus, &to[word], from[word]);
      }
      r->away[producer][from[0]] = lanes;
      r->source_head[producer]++;
    }
    store(&producer_cursors(producer)[HFIB_PRODUCER_SOURCE_HEAD], r->source_head[producer]);
  }
  for (uint32_t lane = 0; lane < lanes; lane++) {
    uint32_t *cursors = lane_cursors(lane);
    reclaim(r, lane, load(&cursors[HFIB_LANE_HEAD]));
    if (r->tail[lane] == load(&cursors[HFIB_LANE_TAIL])) continue;
    __atomic_store_n(&cursors[HFIB_LANE_TAIL], r->tail[lane], ORDER_LANE_TAIL);
    wake(&cursors[HFIB_LANE_SLEEPING], &cursors[HFIB_LANE_WAKE]);
  }
  for (uint32_t producer = 0; producer < producers; producer++) {
    uint32_t *cursors = producer_cursors(producer);
    if (r->return_tail[producer] == load(&cursors[HFIB_PRODUCER_RETURN_TAIL])) continue;
    __atomic_store_n(&cursors[HFIB_PRODUCER_RETURN_TAIL], r->return_tail[producer], ORDER_RETURN_TAIL);
    wake(&cursors[HFIB_PRODUCER_WAITING], &cursors[HFIB_PRODUCER_WAKE]);
  }
  return taken;
}

static int router_has_work(void *router) {
  struct router *r = router;
  for (uint32_t lane = 0; lane < lanes; lane++) {
    if (load(&lane_cursors(lane)[HFIB_LANE_HEAD]) != r->reclaimed[lane]) return 1;
  }
  for (uint32_t producer = 0; producer < producers; producer++) {
    if (load(&producer_cursors(producer)[HFIB_PRODUCER_SOURCE_TAIL]) == r->source_head[producer]) continue;
    /* A source that waits for a lane is no work before the lane has moved. */
    int fits = 1;
    for (uint32_t lane = 0; lane < lanes; lane++) fits &= bus.evicts || r->tail[lane] - r->reclaimed[lane] < capacity;
    if (fits) return 1;
  }
  return 0;
}

/* Writes the next cut: where sources and lanes stand. */
static void cut(const struct router *r, uint32_t sequence) {
  uint32_t *at = bus.words + bus.at.sample + (sequence & 1) * HFIB_CUT_WORDS;
  store(&at[HFIB_CUT_BEFORE], sequence);
  uint32_t *to = at + HFIB_CUT_BODY;
  for (uint32_t producer = 0; producer < producers; producer++, to += HFIB_CUT_PRODUCER_WORDS) {
    CUT_STORE(&to[HFIB_CUT_PRODUCER_SOURCE_HEAD], r->source_head[producer]);
  }
  for (uint32_t lane = 0; lane < lanes; lane++, to += HFIB_CUT_LANE_WORDS) {
    CUT_STORE(&to[HFIB_CUT_LANE_TAIL], r->tail[lane]);
  }
  store(&at[HFIB_CUT_AFTER], sequence);
}

/* In each cut every lane has all that was taken from the sources; cuts do not go back. */
static void *read_cuts(void *unused) {
  (void)unused;
  uint32_t words[HFIB_CUT_WORDS], last = 0;
  while (load(&ended) == 0) {
    if (!cut_read(&bus, words)) continue;
    const uint32_t *at = words + HFIB_CUT_BODY;
    uint32_t taken = 0;
    for (uint32_t producer = 0; producer < producers; producer++, at += HFIB_CUT_PRODUCER_WORDS) {
      taken += at[HFIB_CUT_PRODUCER_SOURCE_HEAD] - first;
    }
    for (uint32_t lane = 0; lane < lanes; lane++, at += HFIB_CUT_LANE_WORDS) {
      if (at[HFIB_CUT_LANE_TAIL] - first != taken) fail("torn cut", at[HFIB_CUT_LANE_TAIL] - first, taken);
    }
    if (taken < last) fail("a cut went back", taken, last);
    last = taken;
  }
  return NULL;
}

static void *run_router(void *unused) {
  (void)unused;
  struct router r = {0};
  uint32_t sequence = 0;
  for (uint32_t producer = 0; producer < producers; producer++) r.source_head[producer] = r.return_tail[producer] = first;
  for (uint32_t lane = 0; lane < lanes; lane++) r.tail[lane] = r.reclaimed[lane] = first;
  for (uint64_t total = 0; total < (uint64_t)producers * messages;) {
    total += route(&r);
    cut(&r, ++sequence);
    if (!router_has_work(&r) && total < (uint64_t)producers * messages) {
      sleep_until(&bus.words[HFIB_HEADER_ROUTER_SLEEPING], &bus.words[HFIB_HEADER_ROUTER_WAKE], router_has_work, &r, -1);
    }
  }
  /* What is left in the lanes is taken, then the seats are taken from their consumers. */
  for (uint32_t lane = 0; lane < lanes; lane++) {
    while (load(&lane_cursors(lane)[HFIB_LANE_HEAD]) != r.tail[lane]) usleep(100);
    store(bus.words + bus.at.lane_seats + lane * HFIB_SEAT_WORDS, 1u << 4 | HFIB_SEAT_STATE_FENCED);
    wake(&lane_cursors(lane)[HFIB_LANE_SLEEPING], &lane_cursors(lane)[HFIB_LANE_WAKE]);
    reclaim(&r, lane, r.tail[lane]);
  }
  for (uint32_t producer = 0; producer < producers; producer++) {
    for (uint32_t slot = 0; slot < slots; slot++) {
      if (r.away[producer][slot] != 0) fail("slot still away", producer, slot);
    }
    /* Each message's slot went home exactly once. */
    if (r.return_tail[producer] - first != messages) fail("slots home", r.return_tail[producer] - first, messages);
  }
  store(&ended, 1);
  return NULL;
}

int main(int count, char **words) {
  if (count != 3) return 64;
  bus.evicts = strcmp(words[1], "oldest") == 0;
  messages = (uint32_t)strtoul(words[2], NULL, 10);
  bus.sizes = (struct hfib_sizes){producers, lanes, slots, 2 * capacity, 64, 1};
  bus.at = hfib_layout_of(&bus.sizes);
  bus.words = mmap(NULL, bus.at.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (bus.words == MAP_FAILED) return 71;
  alarm(seconds);
  pthread_t threads[producers + lanes + 2];
  uint32_t numbers[producers + lanes];
  for (uint32_t producer = 0; producer < producers; producer++) {
    bus.words[bus.at.producer_seats + producer * HFIB_SEAT_WORDS] = 1u << 4 | HFIB_SEAT_STATE_LIVE;
    for (const uint32_t *word = (const uint32_t[]){HFIB_PRODUCER_SOURCE_TAIL, HFIB_PRODUCER_RETURN_HEAD, HFIB_PRODUCER_SOURCE_HEAD, HFIB_PRODUCER_RETURN_TAIL}, *end = word + 4; word < end; word++) producer_cursors(producer)[*word] = first;
  }
  for (uint32_t lane = 0; lane < lanes; lane++) {
    bus.words[bus.at.lane_seats + lane * HFIB_SEAT_WORDS] = 1u << 4 | HFIB_SEAT_STATE_LIVE;
    for (const uint32_t *word = (const uint32_t[]){HFIB_LANE_HEAD, HFIB_LANE_DONE, HFIB_LANE_TAIL, HFIB_LANE_RECLAIMED}, *end = word + 4; word < end; word++) lane_cursors(lane)[*word] = first;
  }
  uint32_t started = 0;
  pthread_create(&threads[started++], NULL, run_router, NULL);
  for (uint32_t lane = 0; lane < lanes; lane++) {
    numbers[started - 1] = lane;
    pthread_create(&threads[started], NULL, consume, &numbers[started - 1]);
    started++;
  }
  for (uint32_t producer = 0; producer < producers; producer++) {
    numbers[started - 1] = producer;
    pthread_create(&threads[started], NULL, produce, &numbers[started - 1]);
    started++;
  }
  pthread_create(&threads[started++], NULL, read_cuts, NULL);
  for (uint32_t thread = 0; thread < started; thread++) pthread_join(threads[thread], NULL);
  if (load(&ended) != 1) fail("the router did not end", 0, 0);
  uint64_t all = 0, lost = 0;
  for (uint32_t lane = 0; lane < lanes; lane++) {
    if (received[lane] + evicted[lane] != (uint64_t)producers * messages) fail("accounts", (uint32_t)received[lane], (uint32_t)evicted[lane]);
    all += received[lane];
    lost += evicted[lane];
  }
  printf("sent %llu received %llu evicted %llu\n", (unsigned long long)producers * messages, (unsigned long long)all, (unsigned long long)lost);
  return 0;
}
