/* SPDX-License-Identifier: ISC */
/*
 * state - everything a keeper is, for the files of this folder.
 *
 * keeper.h says which file does what. Tests use the modules below (sources,
 * held, watch, queue, paths, judge), which do not see this.
 */
#ifndef SST_KEEPER_STATE_H
#define SST_KEEPER_STATE_H

#include "held.h"
#include "queue.h"
#include "sources.h"
#include "status.h"
#include "watch/watch.h"

#include <stdint.h>
#include <sys/types.h>

struct sst_below;
struct sst_keeper;

/* A descriptor in the epoll set; first member of what it belongs to. */
struct sst_event {
	int	fd;
	void	(*ready)(struct sst_keeper *, struct sst_event *, uint32_t events);
};

/* A call at door k that has not said what it wants. */
struct sst_call {
	struct sst_event ev;
	struct sst_call	*next;		/* younger */
	int64_t		 deadline;
};

/* Somebody at the status door who has not said what he wants. */
struct sst_asker {
	struct sst_event ev;
	struct sst_asker *next;		/* younger */
	int64_t		 deadline;
	size_t		 len;
	char		 line[4097];
};

struct sst_keeper {
	struct sst_wire_start start;
	int		 epoll;
	struct sst_event signals, door, inotify, channel, files, status_door;
	int		 door_r, link_c, link_l;
	int		 exe;		/* this program, for the relay */
	int		 starter;	/* descriptor 3 until it was answered */
	struct sst_status status;
	const char	*serve;		/* file of --serve, or NULL */

	pid_t		 relay;		/* 0: none */
	int		 ready;		/* the relay serves */
	int64_t		 born, ready_by, restart_at, kill_at;
	unsigned	 quick_deaths;

	struct sst_queue to_relay, answers;
	struct sst_queue waiting;	/* for the next relay */
	int64_t		 flush_at;	/* retry without EPOLLOUT */
	int64_t		 answer_at;	/* the same of `answers` */

	struct sst_sources sources;
	struct sst_held	 held;
	struct sst_watch *watch;

	struct sst_call	*calls, **calls_end;	/* oldest first */
	size_t		 n_calls;
	struct sst_asker *askers, **askers_end;	/* oldest first */
	size_t		 n_askers;
	unsigned	 busy;		/* events since the watch had its turn */
	int		 spare;		/* given up to refuse when none is left */

	int64_t		 idle_at;	/* INT64_MAX: in use */
	int		 draining, done, status_code;
	char		 data[SST_WIRE_DATA_MAX];	/* of the message at hand */
};

/* loop.c */
int	sst_keeper_add(struct sst_keeper *, struct sst_event *, int fd,
	    void (*ready)(struct sst_keeper *, struct sst_event *, uint32_t));
/* Takes it out of the set and closes it. */
void	sst_keeper_close(struct sst_keeper *, struct sst_event *);
int	sst_keeper_run(struct sst_keeper *);
void	sst_keeper_drain(struct sst_keeper *);
void	sst_keeper_end(struct sst_keeper *, int status);

/* start.c: a descriptor that costs nothing, for later. */
int	sst_keeper_spare(void);
/* Tells the starter, once; `error` 0: all is well. */
void	sst_keeper_answer(struct sst_keeper *, int error, const char *text);
void	sst_keeper_hello(const struct sst_keeper *, struct sst_wire_hello *);

/* child.c */
int	sst_child_start(struct sst_keeper *);
void	sst_child_reap(struct sst_keeper *);
void	sst_child_tick(struct sst_keeper *, int64_t now);
int64_t	sst_child_due(const struct sst_keeper *);

/* channel.c */
void	sst_channel_ready(struct sst_keeper *, struct sst_event *, uint32_t);
void	sst_files_ready(struct sst_keeper *, struct sst_event *, uint32_t);
/* Sends the answers that wait, and asks to be woken for the rest. 1: none waits. */
int	sst_files_flush(struct sst_keeper *);
/* Handles at most so many messages. */
void	sst_channel_take(struct sst_keeper *, int most);
/* To the relay, or to the next one where `verb` may wait for it. */
int	sst_channel_send(struct sst_keeper *, struct sst_wire_head *, const void *,
	    size_t len, const int *fds, size_t n_fds);
void	sst_channel_changed(void *keeper, uint32_t id, const struct sst_below *);
/* A sentence for the relay's log. */
void	sst_channel_say(void *keeper, const char *text);
void	sst_channel_flush(struct sst_keeper *);

/* door.c */
void	sst_door_ready(struct sst_keeper *, struct sst_event *, uint32_t);
void	sst_door_expire(struct sst_keeper *, int64_t now);
/* A connection that waits there, or -1. */
int	sst_door_next(struct sst_keeper *, int door);

/* ask.c */
void	sst_status_ready(struct sst_keeper *, struct sst_event *, uint32_t);
void	sst_status_expire(struct sst_keeper *, int64_t now);

#endif
