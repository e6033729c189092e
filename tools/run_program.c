/* SPDX-License-Identifier: ISC */
/*
 * run_program - which file `sstool run` starts, and whether LD_PRELOAD reaches it.
 *
 * Always true:
 *   1. A file is judged by what it is, not by its name; a script by its
 *      interpreter, and by what env(1) would start.
 *   2. The file is somebody else's bytes: nothing in it is believed to be
 *      within its length.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "out.h"
#include "run.h"

#define DEPTH_MAX	5	/* as the kernel follows scripts */
#define LINE_MAX_	256	/* of "#!", as the kernel reads it */

struct file {
	const char		*path;
	const unsigned char	*bytes;
	size_t			 len;
};

static int	check(const char *path, int depth);

static int
refuse(const char *path, const char *why)
{
	char shown[512];

	return sst_out_trouble(SST_EXIT_UNAVAILABLE, "run: %s %s",
	    sst_out_clean(shown, sizeof(shown), path), why);
}

/* --- finding ----------------------------------------------------------------- */
static int
not_started(const char *name, int error)
{
	char shown[512];

	return sst_out_trouble(error == ENOENT || error == ENOTDIR ?
	    SST_EXIT_NOT_FOUND : SST_EXIT_NOT_EXECUTABLE, "run: %s: %s",
	    sst_out_clean(shown, sizeof(shown), name), strerror(error));
}

/* 0: it can be executed. Else an errno. */
static int
executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* As execvp(): the first of PATH that may be executed. */
static int
search(const char *name, char **ret_path)
{
	const char *dir = getenv("PATH");
	int error = ENOENT;
	int r;

	if (dir == NULL)
		dir = "/bin:/usr/bin";
	for (;;) {
		size_t len = strcspn(dir, ":");

		if (asprintf(ret_path, "%.*s%s%s", (int)len, dir, len ? "/" : "./",
		    name) < 0)
			return ENOMEM;
		r = executable(*ret_path);
		if (r == 0)
			return 0;
		free(*ret_path);
		*ret_path = NULL;
		if (r != ENOENT && r != ENOTDIR)
			error = r;
		if (dir[len] == '\0')
			return error;
		dir += len + 1;
	}
}

int
sst_run_find(const char *name, char **ret_path)
{
	int error = ENOENT;

	*ret_path = NULL;
	if (strchr(name, '/') != NULL) {
		error = executable(name);
		if (error == 0 && (*ret_path = strdup(name)) == NULL)
			error = ENOMEM;
	} else if (*name != '\0') {
		error = search(name, ret_path);
	}
	return error == 0 ? 0 : not_started(name, error);
}

/* --- ELF ------------------------------------------------------------------------ */
/* `len` bytes at `at`, or NULL when the file is shorter. */
static const void *
part(const struct file *f, size_t at, size_t len)
{
	return at <= f->len && len <= f->len - at ? f->bytes + at : NULL;
}

/* This program's own head, which the linker names. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* What this program itself was built for. */
static int
same_machine(const ElfW(Ehdr) *h)
{
	const ElfW(Ehdr) *own = &__ehdr_start;

	return own->e_ident[EI_CLASS] == h->e_ident[EI_CLASS] &&
	    own->e_ident[EI_DATA] == h->e_ident[EI_DATA] &&
	    own->e_machine == h->e_machine;
}

/* A note of the Go linker. */
static int
has_go_note(const struct file *f, const ElfW(Phdr) *ph)
{
	size_t at = ph->p_offset, end = at + ph->p_filesz;
	const ElfW(Nhdr) *note;

	if (end < at)
		return 0;
	while (at < end && (note = part(f, at, sizeof(*note))) != NULL) {
		const char *name = part(f, at + sizeof(*note), 4);

		if (note->n_namesz == 4 && name != NULL &&
		    memcmp(name, "Go\0\0", 4) == 0)
			return 1;
		at += sizeof(*note) + ((size_t)note->n_namesz + 3) / 4 * 4 +
		    ((size_t)note->n_descsz + 3) / 4 * 4;
	}
	return 0;
}

/* Cut to what the file has, with a NUL in it; else "". */
static const char *
text_at(const struct file *f, size_t at)
{
	const char *text = part(f, at, 1);

	return text != NULL && memchr(text, '\0', f->len - at) != NULL ? text : "";
}

static int
has_go_section(const struct file *f, const ElfW(Ehdr) *h)
{
	const ElfW(Shdr) *names, *sh;

	names = part(f, h->e_shoff + (size_t)h->e_shstrndx * h->e_shentsize,
	    sizeof(*names));
	if (h->e_shoff == 0 || names == NULL || h->e_shentsize < sizeof(*sh))
		return 0;
	for (size_t i = 0; i < h->e_shnum; i++) {
		const char *name;

		sh = part(f, h->e_shoff + i * h->e_shentsize, sizeof(*sh));
		if (sh == NULL)
			return 0;
		name = text_at(f, names->sh_offset + sh->sh_name);
		if (strcmp(name, ".go.buildinfo") == 0 ||
		    strcmp(name, ".note.go.buildid") == 0)
			return 1;
	}
	return 0;
}

static int
check_elf(const struct file *f)
{
	const ElfW(Ehdr) *h = part(f, 0, sizeof(*h));
	const char *interpreter = NULL;
	int go;

	if (h == NULL || !same_machine(h))
		return refuse(f->path, "is a program for another kind of machine "
		    "(32 bit, or another processor), which this library cannot "
		    "be loaded into");
	go = has_go_section(f, h);
	for (size_t i = 0; i < h->e_phnum && h->e_phentsize == sizeof(ElfW(Phdr)); i++) {
		const ElfW(Phdr) *ph = part(f, h->e_phoff + i * sizeof(*ph),
		    sizeof(*ph));

		if (ph == NULL)
			break;
		if (ph->p_type == PT_INTERP)
			interpreter = text_at(f, ph->p_offset);
		if (ph->p_type == PT_NOTE)
			go |= has_go_note(f, ph);
	}
	if (go)
		return refuse(f->path, "is a Go program, which makes its system calls "
		    "without the C library: it cannot be given TLS this way");
	if (interpreter == NULL || *interpreter == '\0')
		return refuse(f->path, "is statically linked: no library can be "
		    "loaded into it, so it cannot be given TLS this way");
	if (strstr(interpreter, "/ld-musl-") != NULL)
		return refuse(f->path, "uses another C library (musl), which this "
		    "library cannot be loaded into");
	return 0;
}

/* --- scripts ---------------------------------------------------------------------- */
/* What `env ARGUMENTS` starts. */
static int
check_env(char *arguments, int depth)
{
	char *rest, *path = NULL;
	int rc = 0;

	for (char *word = strtok_r(arguments, " \t", &rest); word != NULL;
	    word = strtok_r(NULL, " \t", &rest)) {
		if (word[0] == '-' || strchr(word, '=') != NULL)
			continue;
		rc = sst_run_find(word, &path);
		if (rc == 0)
			rc = check(path, depth + 1);
		break;
	}
	free(path);
	return rc;
}

static int
check_script(const struct file *f, int depth)
{
	size_t len = f->len < LINE_MAX_ ? f->len : LINE_MAX_;
	char line[LINE_MAX_ + 1], *interpreter, *arguments, *slash;
	int error, rc;

	memcpy(line, f->bytes, len);
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	interpreter = line + 2 + strspn(line + 2, " \t");
	arguments = interpreter + strcspn(interpreter, " \t");
	if (*arguments != '\0')
		*arguments++ = '\0';
	error = *interpreter == '\0' ? ENOEXEC : executable(interpreter);
	if (error != 0)
		return not_started(*interpreter == '\0' ? f->path : interpreter,
		    error);
	rc = check(interpreter, depth + 1);
	slash = strrchr(interpreter, '/');
	if (rc == 0 && slash != NULL && strcmp(slash + 1, "env") == 0)
		rc = check_env(arguments, depth);
	return rc;
}

/* --- both ---------------------------------------------------------------------------- */
/* A program with raised rights loads no library that its caller names. */
static int
check_rights(const char *path, const struct stat *st)
{
	if ((st->st_mode & (S_ISUID | S_ISGID)) != 0)
		return refuse(path, "is set-user-ID or set-group-ID: it loads no "
		    "library that its caller names, so it cannot be given TLS "
		    "this way");
	if (getxattr(path, "security.capability", NULL, 0) > 0)
		return refuse(path, "has file capabilities: it loads no library that "
		    "its caller names; remove them with setcap -r, or start it "
		    "with AmbientCapabilities= of systemd");
	return 0;
}

static int
check_bytes(const struct file *f, const struct stat *st, int depth)
{
	int rc;

	if (f->len >= 2 && memcmp(f->bytes, "#!", 2) == 0)
		return check_script(f, depth);
	if (f->len < SELFMAG || memcmp(f->bytes, ELFMAG, SELFMAG) != 0)
		return not_started(f->path, ENOEXEC);
	rc = check_rights(f->path, st);
	return rc != 0 ? rc : check_elf(f);
}

static int
check(const char *path, int depth)
{
	struct file f = { .path = path };
	struct stat st;
	void *map;
	int fd, rc;

	if (depth > DEPTH_MAX)
		return not_started(path, ELOOP);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return refuse(path, "cannot be read, so it is not known whether the "
		    "library would be loaded into it");
	if (fstat(fd, &st) < 0 || st.st_size <= 0) {
		close(fd);
		return not_started(path, ENOEXEC);
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return not_started(path, errno);
	f.bytes = map;
	f.len = (size_t)st.st_size;
	rc = check_bytes(&f, &st, depth);
	munmap(map, f.len);
	return rc;
}

int
sst_run_check(const char *path)
{
	return check(path, 0);
}
