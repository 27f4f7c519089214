/* A lane of indexbus as a model for spin: claim, evict, fence, death, reuse of the seat, sleep, with cursors that wrap.
 *
 * The router places MESSAGES messages, one a commit, in the lane of one seat. It makes room by eviction (-DBLOCKING: it waits), and once, at any
 * moment, it fences the lane, or its consumer dies. Then the seat is freed as soon as its holder has acknowledged or is dead, and a second
 * consumer takes it. Every access to shared memory is a step of its own. Cursors have four bits, so that a frozen head is eight away from the
 * head, and they begin two before they wrap.
 *
 * What holds in every interleaving:
 *   O2  no message is received twice, and none that the router has taken back (evicted, requeued, counted as lost)
 *   O3  what is claimed is what was placed there, though slots are written anew as soon as they are home
 *   F1  no word of the lane is written by the holder of an epoch that has been freed
 *   C1  no more than CAPACITY messages are in the lane
 *   L1  nobody sleeps over work: at the end every message is received or taken back, else somebody stands in an invalid end state
 *
 * A bug is planted by -DHEAD_BY_STORE, -DFREEZE_SKIPPED, -DFENCE_READS_HEAD, -DSEAT_REUSE_UNACKED, -DSLEEP_WITHOUT_LOOK, -DSIGNED_COMPARE,
 * -DWAKE_BEFORE_TAIL, -DEARLY_RETURN. */

#ifndef MESSAGES
#define MESSAGES 4
#endif
#define CAPACITY 2
#define RING 4 /* twice the capacity, as ring room counts from what is taken back */
#define SLOTS 3
#define FIRST 14

#define next_of(cursor, count) (((cursor) + (count)) & 15)
#define frozen(head) ((head) ^ 8)
#define away(to, since) (((to) - (since)) & 15)
/* Half of all cursors is a negative distance; a quarter or more either way is a frozen head. */
#define is_frozen(head, near) (away(head, near) >= 4 && away(head, near) < 12)
#ifdef SIGNED_COMPARE
#define ahead(t, h) ((t) > (h) -> (t) - (h) : 0)
#else
#define ahead(t, h) away(t, h)
#endif

/* Word 0 of the seat: epoch and state. */
#define seat_word(e, s) ((e) * 8 + (s))
#define FREE 0
#define CLAIMED 1
#define READY 2
#define LIVE 3
#define DRAINING 5
#define FENCED 6
#define ACKED 7

byte seat = seat_word(1, LIVE);
byte head = FIRST, tail = FIRST;
byte ring[RING];
byte payload[SLOTS];
bool sleeping, router_sleeping;
byte wake_sequence, router_wake;

/* Not shared memory: what the kernel knows, and what is checked. */
bool dead;      /* the first consumer */
bool over;      /* the router has nothing more to do */
bool freed[3];  /* by epoch */
byte got, lost; /* a bit a message */
byte ended;     /* consumers */

#define bit(message) (1 << (message))
/* A write by the holder of an epoch. */
#define holds(e) assert(!freed[e])

inline wake_the_router() {
  if
  :: router_sleeping -> router_wake++
  :: else
  fi
}

inline receive_one(message) {
  assert(message > 0 && !(got & bit(message)) && !(lost & bit(message)));
  got = got | bit(message)
}

inline take_back(message) {
  assert(message > 0 && !(got & bit(message)) && !(lost & bit(message)));
  lost = lost | bit(message)
}

/* Whether the lane has something to say to the consumer. */
#define news(e, claimed) (seat != seat_word(e, LIVE) || (!is_frozen(head, claimed) && ahead(tail, head) > 0))

proctype Consumer(byte epoch) {
  byte claimed, h, t, count, first, second, expected;
  bool mortal = (epoch == 1);
  bool found;

  if
  :: epoch == 2 ->
    if
    :: atomic { seat == seat_word(1, FREE) -> seat = seat_word(2, CLAIMED) }
    :: over -> goto done
    fi;
    seat = seat_word(2, READY);
    wake_the_router();
    seat != seat_word(2, READY)
  :: else
  fi;
  atomic { claimed = (is_frozen(head, tail) -> frozen(head) : head); h = 0 }

again:
  if
  :: atomic { mortal && !over -> dead = true; goto done }
  :: true
  fi;
  /* What was received before is done: a store to the lane. */
  holds(epoch);
  h = head;
  if
  :: h != claimed && is_frozen(h, claimed) ->
    if
    :: seat != seat_word(epoch, LIVE) -> goto fenced
    :: else -> goto rest
    fi
  :: else -> claimed = h
  fi;
  t = tail;
  count = ahead(t, claimed);
  if
  :: count == 0 ->
    if
    :: seat != seat_word(epoch, LIVE) -> goto fenced
    :: else -> goto rest
    fi
  :: else -> count = (count > 2 -> 2 : count)
  fi;
  /* Copies: a descriptor, then its payload. */
  first = ring[claimed % RING];
  first = payload[first];
  if
  :: count == 2 -> second = ring[next_of(claimed, 1) % RING]; second = payload[second]
  :: else -> second = 0
  fi;
  /* Claims. */
#ifdef HEAD_BY_STORE
  atomic { head = next_of(claimed, count); found = true };
#else
  atomic {
    found = (head == claimed);
    if
    :: found -> head = next_of(claimed, count); holds(epoch)
    :: else
    fi
  };
#endif
  if
  :: !found -> goto again
  :: else
  fi;
  claimed = next_of(claimed, count);
  atomic {
    receive_one(first);
    if
    :: count == 2 -> receive_one(second)
    :: else
    fi;
    count = 0; first = 0; second = 0; t = 0; h = 0; found = false
  };
  wake_the_router();
  goto again;

rest:
#ifdef SLEEP_WITHOUT_LOOK
  atomic { found = news(epoch, claimed); h = 0; t = 0 };
#endif
  atomic { sleeping = true; holds(epoch); h = 0; t = 0 };
  expected = wake_sequence;
#ifndef SLEEP_WITHOUT_LOOK
  found = news(epoch, claimed);
#endif
  if
  :: found
  :: else ->
    /* The futex. When all is over it is no lost wake that nothing comes. */
    if
    :: wake_sequence != expected
    :: over && seat == seat_word(epoch, LIVE) && away(tail, head) == 0 -> goto done
    fi
  fi;
  atomic { sleeping = false; holds(epoch); found = false; expected = 0 };
  goto again;

fenced:
  atomic {
    if
    :: seat == seat_word(epoch, FENCED) -> seat = seat_word(epoch, ACKED)
    :: else
    fi
  };
  wake_the_router();

done:
  ended++
}

/* What the router is asked for through the seat, or by who looks after its holder. */
#define seat_calls (seat == seat_word(1, ACKED) || seat == seat_word(2, READY) || (dead && (seat == seat_word(1, LIVE) || seat == seat_word(1, FENCED))))
/* Room may have come into the lane. */
#define lane_moved (lives && next <= MESSAGES && head != seen)
/* No seat is on its way from one holder to the next. */
#define settled (seat == seat_word(1, LIVE) || seat == seat_word(2, LIVE))

proctype Router() {
  byte epoch = 1, placed = FIRST, reclaimed = FIRST, seen, next = 1, slot, message, expected;
  byte home = 7; /* a bit a slot */
  bool lives = true, froze, may_fence = true;

poll:
  froze = false;
  if
  :: !lives -> goto seats
  :: lives && epoch == 1 && dead -> seat = seat_word(epoch, DRAINING); goto taking
  :: lives && epoch == 1 && may_fence -> may_fence = false; seat = seat_word(epoch, FENCED); goto taking
  :: lives && !(epoch == 1 && dead)
  fi;

  /* Observe. */
  seen = head;
  do
  :: reclaimed != seen -> home = home | bit(ring[reclaimed % RING]); reclaimed = next_of(reclaimed, 1)
  :: else -> break
  od;
  if
  :: next > MESSAGES -> goto idle
  :: else
  fi;

  /* Plan: room in the lane. */
  if
  :: away(placed, seen) >= CAPACITY ->
#ifdef BLOCKING
    goto idle
#else
#ifdef FREEZE_SKIPPED
    head = next_of(seen, 1);
    froze = false;
#else
    atomic {
      if
      :: head == seen -> head = frozen(seen); froze = true
      :: else -> goto poll
      fi
    };
    assert(is_frozen(head, seen));
#endif
    message = payload[ring[seen % RING]];
#ifdef EARLY_RETURN
    head = next_of(seen, 1);
#endif
    take_back(message);
    home = home | bit(ring[seen % RING]);
    reclaimed = next_of(seen, 1)
#endif
  :: else
  fi;
  atomic {
    message = 0;
    slot = (home & 1 -> 0 : (home & 2 -> 1 : 2));
    assert(home & bit(slot));
    home = home & ~bit(slot)
  };
  payload[slot] = next;
  ring[placed % RING] = slot;
  next++;

  /* Apply. */
  if
  :: froze -> head = next_of(seen, 1)
  :: else
  fi;
  placed = next_of(placed, 1);
#ifdef WAKE_BEFORE_TAIL
  if
  :: sleeping -> wake_sequence++
  :: else
  fi;
  tail = placed;
#else
  tail = placed;
  /* Wake. */
  if
  :: sleeping -> wake_sequence++
  :: else
  fi;
#endif
  assert(is_frozen(head, placed) || away(placed, head) <= CAPACITY);
  atomic { seen = 0; slot = 0; froze = false };
  goto poll;

taking:
  /* The seat is no longer live. The head is stopped; what is behind it is the router's. */
  wake_sequence++;
#ifndef FENCE_READS_HEAD
freeze:
#endif
  seen = head;
#ifndef FENCE_READS_HEAD
  atomic {
    if
    :: head == seen -> head = frozen(seen)
    :: else -> goto freeze
    fi
  };
#endif
  do
  :: reclaimed != seen -> home = home | bit(ring[reclaimed % RING]); reclaimed = next_of(reclaimed, 1)
  :: else -> break
  od;
  do
  :: reclaimed != placed ->
    message = payload[ring[reclaimed % RING]];
    take_back(message);
    home = home | bit(ring[reclaimed % RING]);
    reclaimed = next_of(reclaimed, 1)
  :: else -> break
  od;
  atomic { lives = false; message = 0; seen = 0 };
  goto poll;

seats:
  /* A seat that ends or begins. Messages have no lane meanwhile. */
  if
  :: seat == seat_word(1, ACKED) -> seat = seat_word(1, DRAINING)
  :: seat == seat_word(1, FENCED) && dead -> seat = seat_word(1, DRAINING)
#ifdef SEAT_REUSE_UNACKED
  :: seat == seat_word(1, FENCED) -> seat = seat_word(1, DRAINING)
#endif
  :: seat == seat_word(1, DRAINING) -> atomic { seat = seat_word(1, FREE); freed[1] = true }
  :: seat == seat_word(2, READY) ->
    head = placed;
    tail = placed;
    sleeping = false;
    epoch = 2;
    seat = seat_word(2, LIVE);
    wake_sequence++;
    lives = true
  :: next <= MESSAGES -> atomic { take_back(next); next++ }
  :: next > MESSAGES && seat != seat_word(1, DRAINING) && !seat_calls -> goto idle
  fi;
  goto poll;

idle:
  /* Nothing to do but to take back slots, for which nobody waits here. */
  if
  :: atomic { next > MESSAGES && !seat_calls && settled -> over = true; goto done }
  :: else
  fi;
  router_sleeping = true;
  expected = router_wake;
  if
  :: seat_calls || lane_moved
  :: else ->
    if
    :: router_wake != expected
    /* The look at who lives is another thread's, which hands what it found to the router and wakes it. */
    :: dead && (seat == seat_word(1, LIVE) || seat == seat_word(1, FENCED))
    :: lives && may_fence && epoch == 1 /* so does an operator, or the time after which a lane that stands is taken */
    fi
  fi;
  atomic { router_sleeping = false; expected = 0; seen = 0 };
  goto poll;

done:
  skip
}

init {
  atomic { run Router(); run Consumer(1); run Consumer(2) };
  over && ended == 2;
  assert((got | lost) == (bit(MESSAGES + 1) - 2));
  assert(!(got & lost))
}
