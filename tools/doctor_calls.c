/* SPDX-License-Identifier: ISC */
/*
 * doctor_calls - the system calls that a pair makes, and the groups of
 * SystemCallFilter= that hold them.
 *
 * What every program makes (the group @default, read, write, openat and the
 * like) is left out: without them nothing starts.
 *
 * Always true:
 *   1. NEEDED: refused with an error, there are no TLS sockets (seen by refusing
 *      each in turn). ROOTS: the same, but only in a program of root's.
 *      MADE: an error is put up with; a filter that kills is not.
 */
#include "doctor_calls.h"

#define SERVICE	"@system-service"

const struct sst_doctor_call sst_doctor_calls[] = {
	{ "accept4", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "bind", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "capset", SST_CALL_NEEDED, "@privileged " SERVICE },
	{ "chdir", SST_CALL_NEEDED, "@file-system " SERVICE },
	{ "chmod", SST_CALL_MADE, "@file-system " SERVICE },
	{ "clone", SST_CALL_NEEDED, "@process " SERVICE },
	{ "clone3", SST_CALL_NEEDED, "@process " SERVICE },
	{ "close_range", SST_CALL_MADE, "@basic-io " SERVICE },
	{ "connect", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "dup2", SST_CALL_NEEDED, "@basic-io " SERVICE },
	{ "dup3", SST_CALL_NEEDED, "@basic-io " SERVICE },
	{ "epoll_create1", SST_CALL_NEEDED, "@io-event " SERVICE },
	{ "epoll_ctl", SST_CALL_NEEDED, "@io-event " SERVICE },
	{ "epoll_wait", SST_CALL_NEEDED, "@io-event " SERVICE },
	{ "eventfd2", SST_CALL_NEEDED, "@io-event " SERVICE },
	{ "execveat", SST_CALL_MADE, "@process " SERVICE },
	{ "fcntl", SST_CALL_NEEDED, "@file-system " SERVICE },
	{ "ftruncate", SST_CALL_NEEDED, "@file-system " SERVICE },
	{ "getpeername", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "getsockname", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "getsockopt", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "inotify_add_watch", SST_CALL_MADE, "@file-system " SERVICE },
	{ "inotify_init1", SST_CALL_MADE, "@file-system " SERVICE },
	{ "ioctl", SST_CALL_NEEDED, SERVICE },
	{ "listen", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "memfd_create", SST_CALL_NEEDED, "@ipc " SERVICE },
	{ "mkdir", SST_CALL_MADE, "@file-system " SERVICE },
	{ "pipe2", SST_CALL_MADE, "@ipc " SERVICE },
	{ "poll", SST_CALL_NEEDED, "@io-event " SERVICE },
	{ "ppoll", SST_CALL_NEEDED, "@io-event " SERVICE },
	{ "prctl", SST_CALL_NEEDED, "@process " SERVICE },
	{ "process_vm_readv", SST_CALL_MADE, "@ipc " SERVICE },
	{ "process_vm_writev", SST_CALL_MADE, "@ipc " SERVICE },
	{ "readlinkat", SST_CALL_MADE, "@file-system " SERVICE },
	{ "recvfrom", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "recvmsg", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "rename", SST_CALL_MADE, "@file-system " SERVICE },
	{ "rmdir", SST_CALL_MADE, "@file-system " SERVICE },
	{ "sched_setaffinity", SST_CALL_MADE, "@resources " SERVICE },
	{ "sched_setscheduler", SST_CALL_MADE, "@resources " SERVICE },
	{ "sendfile", SST_CALL_NEEDED, SERVICE },
	{ "sendmsg", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "sendto", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "setgroups", SST_CALL_ROOTS, "@privileged @setuid " SERVICE },
	{ "setpriority", SST_CALL_MADE, "@resources " SERVICE },
	{ "setresgid", SST_CALL_ROOTS, "@setuid " SERVICE },
	{ "setresuid", SST_CALL_ROOTS, "@privileged @setuid " SERVICE },
	{ "setsid", SST_CALL_MADE, SERVICE },
	{ "setsockopt", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "shutdown", SST_CALL_MADE, "@network-io " SERVICE },
	{ "signalfd4", SST_CALL_NEEDED, "@signal " SERVICE },
	{ "socket", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "socketpair", SST_CALL_NEEDED, "@network-io " SERVICE },
	{ "splice", SST_CALL_MADE, SERVICE },
	{ "sysinfo", SST_CALL_MADE, SERVICE },
	{ "timer_create", SST_CALL_NEEDED, "@timer " SERVICE },
	{ "timer_delete", SST_CALL_MADE, "@timer " SERVICE },
	{ "timer_settime", SST_CALL_NEEDED, "@timer " SERVICE },
	{ "umask", SST_CALL_MADE, SERVICE },
	{ "unlink", SST_CALL_MADE, "@file-system " SERVICE },
	{ "wait4", SST_CALL_MADE, "@process " SERVICE },
	{ 0 }
};
