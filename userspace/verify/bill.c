/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/bill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/analysis/array.h"
#include "userspace/recording_strings.h"
#include "userspace/verify/bill_reader.h"

#define FIRST_READ ((size_t)64 << 10)

/* --- what is in memory --------------------------------------------------------------------------------------------- */

static int read_all(struct bill_reader *r, const char *text, size_t n, bool is_json)
{
	int err;

	r->bill->texts = strings__new();
	if (!r->bill->texts)
		return -ENOMEM;
	err = bill_columns__resolve(r);
	if (!err)
		err = bill_source__set_text(&r->source, text, n);
	if (!err)
		err = is_json ? bill_json__read(r) : bill_csv__read(r);
	return err;
}

/* What doubling left over, which is up to half of the array. */
static void give_back(struct bill *b)
{
	struct bill_line *lines = b->n ? realloc(b->lines, b->n * sizeof(*lines)) : NULL;

	if (lines)
		b->lines = lines;
}

int bill__parse(struct bill *out, const char *path, const char *text, size_t n, bool is_json,
		const struct bill_map *map, char *error, size_t error_size, char *remedy, size_t remedy_size)
{
	static const struct bill_map defaults;
	struct bill_reader r = {
		.source = { .path = path,
			    .error = error,
			    .error_size = error_size,
			    .remedy = remedy,
			    .remedy_size = remedy_size },
		.bill = out,
		.map = map ? map : &defaults,
	};
	int err;

	*out = (struct bill){ .path = path };
	err = read_all(&r, text, n, is_json);
	free(r.present);
	if (err == -ENOMEM) {
		bill_source__fail(&r.source, NULL, "no memory for this bill");
		bill_source__remedy(&r.source, "split it by time, or give this machine more memory");
	}
	if (err) {
		bill__free(out);
		return err;
	}
	give_back(out);
	error[0] = remedy[0] = '\0';
	return 0;
}

void bill__free(struct bill *b)
{
	if (!b)
		return;
	free(b->lines);
	strings__free(b->texts);
	*b = (struct bill){ 0 };
}

/* --- files --------------------------------------------------------------------------------------------------------- */

/* Read, not mapped: a mapped file that another process cuts ends this one with SIGBUS. */
static int read_file(const char *path, char **out, size_t *n)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	size_t room = 0, used = 0;
	char *text = NULL, *moved;
	struct stat st;
	ssize_t got = 1;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > BILL_MAX_BYTES)
		err = -EFBIG;
	while (!err && got > 0) {
		moved = array__reserve(text, &room, used + FIRST_READ, 1);
		if (!moved) {
			err = -ENOMEM;
			break;
		}
		text = moved;
		got = read(fd, text + used, room - used);
		if (got < 0 && errno == EINTR)
			got = 1;
		else if (got < 0)
			err = -errno;
		else
			used += (size_t)got;
		if (used > BILL_MAX_BYTES)
			err = -EFBIG;
	}
	close(fd);
	if (err) {
		free(text);
		return err;
	}
	*out = text;
	*n = used;
	return 0;
}

static bool ends_with(const char *path, const char *ending)
{
	size_t n = strlen(path), n_ending = strlen(ending);

	return n >= n_ending && strcmp(path + n - n_ending, ending) == 0;
}

/* By what it holds, for a name may say anything; by its name where that is not clear. */
static bool is_json(const char *path, const char *text, size_t n)
{
	size_t at = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	while (at < n && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n'))
		at++;
	return (at < n && (text[at] == '{' || text[at] == '[')) || ends_with(path, ".json") ||
	       ends_with(path, ".jsonl") || ends_with(path, ".ndjson");
}

int bill__read(struct bill *out, const char *path, const struct bill_map *map, char *error, size_t error_size,
	       char *remedy, size_t remedy_size)
{
	struct bill_source nowhere = {
		.path = path, .error = error, .error_size = error_size, .remedy = remedy, .remedy_size = remedy_size
	};
	char *text = NULL;
	size_t n = 0;
	int err;

	*out = (struct bill){ 0 };
	err = read_file(path, &text, &n);
	if (err == -EFBIG) {
		bill_source__fail(&nowhere, NULL, "larger than %d MiB", BILL_MAX_BYTES >> 20);
		bill_source__remedy(&nowhere, "split it by time and verify the parts");
	} else if (err) {
		bill_source__fail(&nowhere, NULL, "%s", strerror(-err));
		bill_source__remedy(&nowhere, "give the path of a CSV or JSON file that you may read");
	} else {
		err = bill__parse(out, path, text, n, is_json(path, text, n), map, error, error_size, remedy,
				  remedy_size);
	}
	free(text);
	return err;
}
