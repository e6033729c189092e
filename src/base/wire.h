/* SPDX-License-Identifier: ISC */
/*
 * wire - control messages between the program's shim, the keeper and the relay.
 *
 * One message is one SOCK_SEQPACKET packet: a fixed head, up to
 * SST_WIRE_DATA_MAX bytes, up to SST_WIRE_FDS descriptors (SCM_RIGHTS).
 *
 * The keeper makes four abstract listening sockets, "\0securesockets/DOOR/X",
 * DOOR being 16 hex digits, and keeps them for its whole life:
 *	k  the keeper's door: SST_WIRE_FILE
 *	r  the relay's door: every other verb of the shim
 *	c  linked to by the relay, for sockets that connect
 *	l  the same for listeners: the peer's name of an application's end says
 *	   which of the two it is, so the shim needs no table
 *
 * Always true:
 *   1. Nothing is believed that does not start with magic, version, a known
 *      length. Another version is answered with an error text, never guessed.
 *   2. A received descriptor that a verb does not expect is closed.
 *   3. No function here allocates, takes a lock or uses anything but system
 *      calls, so all may run between vfork and exec and in a signal handler.
 * Threads: pure but for the descriptors given.
 */
#ifndef SST_BASE_WIRE_H
#define SST_BASE_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define SST_WIRE_MAGIC		0x31545353u	/* "SST1" */
#define SST_WIRE_VERSION	1
#define SST_WIRE_DATA_MAX	65536
#define SST_WIRE_FDS		4
#define SST_OPEN_DATA_MAX	4096	/* of an answer on the file channel */
#define SST_WIRE_TIMEOUT_MS	5000	/* a call that waits for no network */
#define SST_SECRET_LEN		16
/* SO_PRIORITY of an accepted end (which means nothing on it) that accept() gave
 * to the program: LOST will not come. */
#define SST_WIRE_TAKEN		1

/* Requests of the shim. [fd, ...] are the descriptors that go with it. A library may be
 * of another release: their numbers stay. Those between keeper and relay may change,
 * since every relay is started from the file that its keeper itself was (child.c). */
enum sst_wire_verb {
	/* r: makes the record of a fresh socket. secret; a: AF_INET or AF_INET6;
	 * b: SST_NEW_*; data: struct sst_wire_new. [app end] */
	SST_WIRE_NEW = 1,
	/* r: the TCP socket, for bind() and privileged options. [app end];
	 * the reply carries [TCP socket]. Neither connected nor listening. */
	SST_WIRE_LEND,
	/* r: data: sockaddr; a: 1 = answer as soon as the attempt is under way
	 * (EINPROGRESS), 0 = when it is over; b: SST_MODE_*. [app end] */
	SST_WIRE_CONNECT,
	/* r: a: backlog; b: SST_MODE_*. [app end] */
	SST_WIRE_LISTEN,
	/* r: the reply's data is a sockaddr. [app end] */
	SST_WIRE_SOCKNAME,
	SST_WIRE_PEERNAME,
	/* r: a: level, b: option, data: value; without the secret never one that
	 * makes the socket weaker, such as TLS_START_PLAIN. [app end] */
	SST_WIRE_SET,
	/* r: a: level, b: option, c: room in the caller's buffer; the reply's
	 * data is the value, cut as the option says. [app end] */
	SST_WIRE_GET,
	/* r: data: the struct sst_wire_accepted whose descriptor did not arrive
	 * (full table): the relay issues that connection again. [listener] */
	SST_WIRE_LOST,
	/* k: an option whose value is a file, a directory or bytes. a: level,
	 * b: option, data: absolute path, NUL-terminated, or empty for bytes
	 * (then the second descriptor is a memfd). [app end, file] */
	SST_WIRE_FILE,
	/* k: "are you there"; the reply's data is a struct sst_wire_hello. */
	SST_WIRE_PING,
	/* r: data: names, each with its NUL: the first is sent as SNI, and the
	 * peer's certificate must match every one of them. Replaces what was set
	 * before; not on a socket that connects or listens. [app end] */
	SST_WIRE_NAMES,
	/* r: NEW for a TCP socket that there is already: listening, or connected,
	 * which is then a plain connection. As NEW. [app end, TCP socket] */
	SST_WIRE_ADOPT,
	/* r: a plain connection becomes TLS (STARTTLS). a: as CONNECT; b:
	 * SST_UPGRADE_*; data: the peer's name, NUL, for a client. [app end] */
	SST_WIRE_UPGRADE,

	/* relay to keeper, on the channel */
	SST_CHAN_READY = 64,	/* serving: the keeper may answer its starter */
	SST_CHAN_HOLD,		/* id; data: opaque state. [TCP, relay's end,
				   state]: a state that is longer than a message
				   comes as a sealed memfd, and no data.
				   A second HOLD of an id replaces the first. */
	SST_CHAN_RELEASE,	/* id */
	SST_CHAN_KEEP,		/* id: a source is in use: hold and watch it */
	SST_CHAN_DROP,		/* id: a source is no longer in use */
	SST_CHAN_IDLE,		/* a: 1 nothing is left to serve, 0 busy again */
	SST_CHAN_HOT,		/* id: something below the source was served. data: the
				   folders in the source, each with NUL, at most
				   SST_HOT_MOST: they get a watch first */
	/* keeper to relay, on the channel */
	SST_CHAN_FILE,		/* id: new source; a, b: level, option; c: 1
				   watched, 0 static; data: the path, NUL, and
				   when static why, NUL. [the shim's connection,
				   app end, file]. The relay answers the shim. */
	SST_CHAN_RESTORE,	/* id; all as held. [TCP, relay's end, state] */
	SST_CHAN_RESTORE_SOURCE,/* id; c: watched; data as FILE. [file]. Comes
				   before the RESTORE of what uses it. */
	SST_CHAN_RESTORED,	/* that was all */
	SST_CHAN_CHANGED,	/* id: something below the source changed. data: the
				   names in the source that did (folders, files of
				   its own), each with NUL; none: all of it */
	SST_CHAN_DRAIN,		/* take nothing new, end when all is served */
	SST_CHAN_STATUS,	/* data: what was asked at the status door, NUL: one line,
				   "" or "status" for the document, "events [follow]
				   [since SEQ]" for events. [stream connection]: write
				   the answer there and close it */
	SST_CHAN_SAY,		/* data: one sentence for the log, NUL. a: SST_SAY_* */
	/* relay to keeper again */
	SST_CHAN_TAKE,		/* id: a source is being read, however long that takes:
				   KEEP or DROP follows */

	/* relay to keeper, on the file channel: one question, one answer */
	SST_OPEN_PATH = 128,	/* id: source; data: absolute path, NUL. The
				   answer carries [file], or an error. */
	SST_OPEN_LINK,		/* the answer's data is the link's target */
	SST_OPEN_EXPOSED,	/* the answer's a: 1 if every directory above the
				   path can be searched by others */
	SST_OPEN_AHEAD,		/* data: the path of a name right in the source. The
				   answer's a: 1 if it is a directory; data: of each
				   name in it NAME NUL TARGET NUL (the target "" where
				   it is no link), an empty name, and of each [file] its
				   path with NUL: what a reader of the name opens next */
	SST_OPEN_LIST,		/* as PATH, of a directory that is going to be listed:
				   a source has its watch before the answer */

	SST_WIRE_REPLY = 255
};

#define SST_HOT_MOST		64	/* names in one message, once a second at most */
#define SST_NEW_FORCED		1	/* a policy's doing: SO_PROTOCOL says TCP */
#define SST_SAY_WATCH		0	/* how files are watched */
#define SST_SAY_DEPLOYED	1	/* somebody said that they changed */
#define SST_MODE_TLS		0
#define SST_MODE_PLAIN		1	/* bytes pass as they are */
#define SST_UPGRADE_CLIENT	0
#define SST_UPGRADE_SERVER	1

/* Every message starts so. Answers: verb SST_WIRE_REPLY, a = result (>= 0 or
 * -1), b = errno when a is -1, data = the value, or the error's text. */
struct sst_wire_head {
	uint32_t	magic;
	uint16_t	version;
	uint16_t	verb;
	uint32_t	length;		/* of what follows the head */
	uint32_t	id;
	int32_t		a, b, c;
	uint8_t		secret[SST_SECRET_LEN];	/* NEW, ADOPT, SET; else zero */
};

/* What SST_WIRE_NEW carries: the process's trust settings, NUL-terminated,
 * empty when unset or under AT_SECURE. */
struct sst_wire_new {
	char	cert_file[256];	/* SSL_CERT_FILE */
	char	cert_dir[256];	/* SSL_CERT_DIR */
};

/* What the keeper tells of itself. */
struct sst_wire_hello {
	uint32_t	keeper_pid, relay_pid;
	char		release[16];
};

/* One finished connection on a listener's descriptor; its own descriptor
 * travels with it. Exactly one record per packet of the stream. */
struct sst_wire_accepted {
	uint32_t	magic;
	uint16_t	version;
	uint16_t	peer_len;	/* bytes of peer in use */
	uint64_t	id;		/* for LOST */
	uint8_t		peer[28];	/* struct sockaddr_in or sockaddr_in6 */
	uint8_t		zero[4];
};

/* What the starter writes to the keeper's descriptor 3; the keeper answers
 * with a reply whose data is a struct sst_wire_hello, then closes it. */
/* The variables of a program that its relay may know: where settings and caches
 * are. The first is for root's programs too. Ends with NULL. */
#define SST_WIRE_ENV_MOST	4
#define SST_WIRE_ENV_SIZE	1024
extern const char *const sst_wire_env[];

struct sst_wire_start {
	uint32_t	magic;
	uint16_t	version;
	uint16_t	flags;		/* SST_START_* */
	char		door[16];	/* hex digits, no NUL */
	uint8_t		secret[SST_SECRET_LEN];
	char		program[64];	/* for the process title */
	uint32_t	program_pid;
	uint32_t	idle_ms;	/* idle exit; 0: 30 s, UINT32_MAX: never */
	char		env[SST_WIRE_ENV_MOST][SST_WIRE_ENV_SIZE]; /* "": not set */
};

/* Descriptor 2 stays what it is (SECURESOCKETS_DEBUG=1); else /dev/null. */
#define SST_START_STDERR	1

/* The file that `securesocketsd --serve FILE` writes (0600) once a pair that
 * nobody started is there; SECURESOCKETS_SERVE names it to the shim. */
struct sst_wire_serve {
	uint32_t	magic;
	uint16_t	version;
	uint16_t	zero;
	char		door[16];
	uint8_t		secret[SST_SECRET_LEN];
	uint32_t	keeper_pid;	/* as seen by the keeper */
	uint32_t	keeper_uid;
};

/* Fills the head: magic, version, verb; all else zero. */
void	sst_wire_init(struct sst_wire_head *, uint16_t verb);
/*
 * Sends one message: `head` (its length is set here), then `len` bytes, and
 * `n_fds` descriptors (borrowed). 0, or -1 with errno. Never SIGPIPE.
 */
int	sst_wire_send(int fd, struct sst_wire_head *head, const void *data,
	    size_t len, const int *fds, size_t n_fds);
/*
 * Receives one message. Data goes to `data` (`cap` bytes); what is longer is
 * EMSGSIZE. Descriptors come close-on-exec; those that the peer did not send
 * are -1 in fds[]. More than `n_fds` are closed. Returns the data's length, or
 * -1 with errno: EPROTO for a foreign magic, version or length, ECONNRESET for
 * a closed peer, EMFILE when descriptors were cut off.
 */
long	sst_wire_recv(int fd, struct sst_wire_head *head, void *data, size_t cap,
	    int *fds, size_t n_fds);
#define SST_WIRE_DOOR_LEN	35	/* of the address of any door */
/* Fills `addr` with "\0securesockets/DOOR/which". Returns its length. */
socklen_t sst_wire_door(struct sockaddr_un *addr, const char door[16], char which);
/* Which of k, r, c, l `addr` is; door (16 bytes) is set. 0: none of them. */
char	sst_wire_door_parse(const struct sockaddr_un *addr, socklen_t len,
	    char door[16]);
/* Writes 16 hex digits of 8 random bytes, no NUL. 0, or -1 with errno. */
int	sst_wire_door_random(char door[16]);
/* Fills start->env from the environment, as far as secure_getenv() gives it. -1:
 * the first is longer than there is room; of the others such a one is left out. */
int	sst_wire_env_read(struct sst_wire_start *);

#endif
