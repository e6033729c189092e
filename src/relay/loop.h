/* SPDX-License-Identifier: ISC */
/*
 * loop - epoll, timers, and memory that may go while events are under way.
 *
 * Every other file of the relay hangs watches and timers into a loop: the
 * control thread has one and each worker has one.
 *
 * Always true:
 *   1. After sst_loop_del() and sst_loop_disarm() the function of that watch
 *      or timer is not called again, not even for an event that was fetched
 *      before.
 *   2. Memory given to sst_loop_free() lives until the batch of events is over.
 *   3. Arming a timer allocates nothing and cannot fail.
 * Threads: one runs the loop. A loop with a `lock` is run with the lock held but
 * while it waits, so that whoever holds the lock may do all that its own thread
 * may do. Of a loop without one, others may only add and change watches, kick,
 * and free.
 */
#ifndef SST_RELAY_LOOP_H
#define SST_RELAY_LOOP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define SST_LOOP_SLOTS	1024
#define SST_LOOP_TICK	16	/* ms of one slot */
#define SST_LOOP_FLOW	4	/* turns; room for those that only say writable */
#define SST_LOOP_LOOK_NS 5000	/* looking before sleeping, after a short wait:
				   longer takes the core from those who answer */
#define SST_LOOP_EXPECT_NS 50000

struct sst_watch {
	void	(*ready)(struct sst_watch *, uint32_t events);
	int	fd;
};

struct sst_timer {
	void	(*fire)(struct sst_timer *);
	struct sst_timer *next, **at_me;	/* at_me NULL: not armed */
	int64_t	due;
};

/* First member of whatever is freed by sst_loop_free(). */
struct sst_object {
	struct sst_object *next_dead;
};

struct sst_loop {
	int	 epoll;
	atomic_int stop;
	int64_t	 now;			/* ms, of the last look at the clock */
	int64_t	 (*clock)(void);	/* sst_clock_ms() but in tests */
	void	 (*after)(void *);	/* after each batch; may poll again */
	void	*after_arg;
	pthread_mutex_t *lock;		/* not owned; NULL: none */
	int64_t	 asleep_until;		/* under the lock; 0: awake */
	int	 kick;			/* eventfd: ends a wait */
	struct sst_watch kick_watch;
	_Atomic(struct sst_object *) dead;
	size_t	 n_timers;
	int64_t	 waited_ns;		/* how long the last wait took */
	int	 flowing;		/* turns left of a flow of bytes */
	int	 expecting;		/* the next wait begins with looking */
	int	 partial;		/* more events than one batch holds */
	int64_t	 soonest;		/* no timer is due before */
	int64_t	 tick;			/* the last slot that was looked at */
	struct sst_timer *slots[SST_LOOP_SLOTS];
};

/* The structure that holds a member. */
#define SST_HOLDER(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* 0, or -1 with errno. */
int	sst_loop_init(struct sst_loop *);
void	sst_loop_done(struct sst_loop *);
/* 0, or -1 with errno. The descriptor stays the caller's. */
int	sst_loop_add(struct sst_loop *, struct sst_watch *, int fd, uint32_t events,
	    void (*ready)(struct sst_watch *, uint32_t));
int	sst_loop_change(struct sst_loop *, struct sst_watch *, uint32_t events);
/* A descriptor that is in already, under a watch that was forgotten: from now on
 * it is this one's. */
int	sst_loop_take_over(struct sst_loop *, struct sst_watch *, int fd,
	    uint32_t events, void (*ready)(struct sst_watch *, uint32_t));
/* Before the descriptor is closed. A watch that is not in is allowed. */
void	sst_loop_del(struct sst_loop *, struct sst_watch *);
/* The same without a system call: the descriptor has no copy anywhere, and is
 * closed or taken over before the next turn. */
void	sst_loop_forget(struct sst_watch *);
/* `due` in ms of the loop's clock; a timer that is armed is armed anew. */
void	sst_loop_arm(struct sst_loop *, struct sst_timer *, int64_t due,
	    void (*fire)(struct sst_timer *));
void	sst_loop_disarm(struct sst_loop *, struct sst_timer *);
/* Any thread. */
void	sst_loop_free(struct sst_loop *, struct sst_object *);
/* Ends the wait under way, or the next one. Any thread. */
void	sst_loop_kick(struct sst_loop *);
/* One batch of events and the timers that are due; waits at most `max_ms`
 * (-1: as long as the timers allow). Frees nothing. 1: there may be more events at
 * once. */
int	sst_loop_poll(struct sst_loop *, int max_ms);
/* One batch, `after`, and the dead. */
void	sst_loop_turn(struct sst_loop *, int max_ms);
/* The next event is expected within SST_LOOP_EXPECT_NS: the next wait begins with
 * looking. */
void	sst_loop_expect(struct sst_loop *);
/* Turns until `stop` is set; takes the lock and gives it back. */
void	sst_loop_run(struct sst_loop *);

#endif
