/* SPDX-License-Identifier: ISC */
#include "drop.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fail.h"

#define USER		"_securesockets"
#define OVERFLOW_ID	65534	/* "nobody", where no user database says so */
#define LAST_CAP	63

static int
caps_get(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return (int)syscall(SYS_capget, &head, data);
}

static int
caps_clear(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };

	return (int)syscall(SYS_capset, &head, data);
}

/* A namespace with a single uid: there is nobody else to become. */
static int
only_one_uid(void)
{
	unsigned long inside, outside, count;
	char more;
	FILE *f = fopen("/proc/self/uid_map", "re");
	int n = 0;

	if (f == NULL)
		return 0;
	n = fscanf(f, "%lu %lu %lu %c", &inside, &outside, &count, &more);
	(void)fclose(f);
	return n == 3 && count == 1;
}

static int
become_nobody(struct sst_error *err)
{
	const struct passwd *pw = getpwnam(USER);
	uid_t uid = OVERFLOW_ID;
	gid_t gid = OVERFLOW_ID;

	if (pw == NULL || pw->pw_uid == 0)
		pw = getpwnam("nobody");
	if (pw != NULL && pw->pw_uid != 0) {
		uid = pw->pw_uid;
		gid = pw->pw_gid;
	}
	if (only_one_uid())
		return SST_OK;
	if (setgroups(0, NULL) < 0)
		return sst_fail_errno(err, errno, "setgroups");
	if (setresgid(gid, gid, gid) < 0)
		return sst_fail_errno(err, errno, "setresgid to %u", (unsigned)gid);
	if (setresuid(uid, uid, uid) < 0)
		return sst_fail_errno(err, errno, "setresuid to %u", (unsigned)uid);
	return SST_OK;
}

int
sst_drop_rights(struct sst_error *err)
{
	const struct rlimit none = { 0, 0 };
	int rc;

	/* Needs CAP_SETPCAP, which most programs lack; no_new_privs makes up. */
	for (unsigned long cap = 0; cap <= LAST_CAP; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (geteuid() == 0 || getuid() == 0) {
		rc = become_nobody(err);
		if (rc != SST_OK)
			return rc;
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (caps_clear() < 0)
		return sst_fail_errno(err, errno, "capset");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return sst_fail_errno(err, errno, "no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return sst_fail_errno(err, errno, "PR_SET_DUMPABLE");
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return sst_fail_errno(err, errno, "RLIMIT_CORE");
	return sst_drop_check(err);
}

int
sst_drop_check(struct sst_error *err)
{
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };
	struct rlimit core;
	uid_t r, e, s;

	if (caps_get(data) < 0)
		return sst_fail_errno(err, errno, "capget");
	if ((data[0].effective | data[1].effective | data[0].permitted |
	    data[1].permitted | data[0].inheritable | data[1].inheritable) != 0)
		return sst_fail(err, SST_E_REFUSED, "the relay still has capabilities");
	if (getresuid(&r, &e, &s) < 0)
		return sst_fail_errno(err, errno, "getresuid");
	if ((r == 0 || e == 0 || s == 0) && !only_one_uid())
		return sst_fail(err, SST_E_REFUSED, "the relay still is root");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
	    prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return sst_fail(err, SST_E_REFUSED, "the relay could gain rights or be read");
	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_cur != 0 || core.rlim_max != 0)
		return sst_fail(err, SST_E_REFUSED, "the relay could leave a core");
	return SST_OK;
}
