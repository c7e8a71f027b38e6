/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/model_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "userspace/process.h"
#include "userspace/recording.h"
#include "userspace/safetensors.h"

#define MIN_DIGEST_DIGITS 40	/* SHA-1, as git names files; the stores of models use SHA-256 */

static bool ends_with(const char *text, const char *ending)
{
	size_t length = strlen(text), n = strlen(ending);

	return length > n && strcmp(text + length - n, ending) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Ollama and the hub's cache name files by their digests ("sha256-0123...", "0123..."), whatever is in them. */
static bool is_named_by_digest(const char *path)
{
	const char *name = base_name(path);
	size_t n;

	if (strncmp(name, "sha256-", 7) == 0)
		name += 7;
	n = strspn(name, "0123456789abcdef");
	return n >= MIN_DIGEST_DIGITS && name[n] == 0;
}

/*
 * The file that is mapped, not the one that has its name now: through map_files, which also has deleted files and those of
 * containers but wants privilege, else through the process's root, if it still is that file.
 * @return a descriptor or negative errno
 */
static int open_map(uint32_t pid, const struct process_map *map)
{
	char path[600];
	struct stat st;
	int fd;

	process__map_file(pid, map, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	if (map->deleted)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/root%s", pid, map->path);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && st.st_ino == map->inode && st.st_dev == map->device)
		return fd;
	close(fd);
	return -ESTALE;
}

bool model_file__is_named(const char *path)
{
	return ends_with(path, ".gguf") || ends_with(path, ".safetensors") || is_named_by_digest(path);
}

int model_file__open(uint32_t pid, const struct process_map *map)
{
	return open_map(pid, map);
}

static bool begins_as_gguf(uint32_t pid, const struct process_map *map)
{
	int fd = open_map(pid, map);
	char magic[4] = "";
	bool is = fd >= 0 && pread(fd, magic, sizeof(magic), 0) == sizeof(magic) && memcmp(magic, "GGUF", 4) == 0;

	if (fd >= 0)
		close(fd);
	return is;
}

/* A file is mapped in several parts: count it once. */
static bool is_new_model(uint32_t pid, const struct process_map *maps, size_t i)
{
	bool by_name = ends_with(maps[i].path, ".gguf") || ends_with(maps[i].path, ".safetensors");
	size_t k;

	if (!maps[i].inode || (!by_name && !is_named_by_digest(maps[i].path)))
		return false;
	for (k = 0; k < i; k++)
		if (maps[k].inode == maps[i].inode && maps[k].device == maps[i].device)
			return false;
	return by_name || begins_as_gguf(pid, &maps[i]);
}

int model_file__find(uint32_t pid, char *path, size_t size)
{
	struct process_map *maps = NULL;
	size_t n = 0, i;
	int err = process__maps(pid, &maps, &n);

	if (!err)
		err = -ENOENT;
	for (i = 0; i < n && err == -ENOENT; i++)
		if (is_new_model(pid, maps, i)) {
			snprintf(path, size, "%s", maps[i].path);
			err = 0;
		}
	free(maps);
	return err;
}

/* --- headers -------------------------------------------------------------------------------------------------------- */

static int read_facts(struct model_facts *f, const char *path, int fd, char error[GGUF_ERROR_SIZE])
{
	int err;

	if (!ends_with(path, ".safetensors"))
		return gguf__read_fd(f, fd, error, GGUF_ERROR_SIZE);
	err = safetensors__read_fd(f, fd, error, GGUF_ERROR_SIZE);
	if (!err)
		safetensors__part(path, &f->split_no, &f->split_count);
	return err;
}

static void read_file(struct model_file *file, uint32_t pid, const struct process_map *map)
{
	int fd;

	snprintf(file->path, sizeof(file->path), "%s", map->path);
	file->device = map->device;
	file->inode = map->inode;
	file->error[0] = 0;
	model_facts__clear(&file->facts);
	fd = open_map(pid, map);
	if (fd < 0) {
		snprintf(file->error, sizeof(file->error), "the file could not be opened: %s",
			 fd == -ESTALE ? "another one has its name now" : strerror(-fd));
		return;
	}
	if (read_facts(&file->facts, map->path, fd, file->error) == 0)
		memcpy(file->error, file->facts.missing, sizeof(file->error));
	close(fd);
}

/* --- models in several files ---------------------------------------------------------------------------------------- */

/* "NAME-00001-of-00003.gguf", as gguf-split of llama.cpp names them, and model hubs their safetensors. */
#define SPLIT_ENDING_LENGTH (sizeof("-00001-of-00003.") - 1)

static bool is_part(const struct model_file *file)
{
	return file->facts.split_count != ABSENT;
}

static bool same_model(const struct model_file *a, const struct model_file *b)
{
	const char *dot = strrchr(a->path, '.');
	const size_t n = dot ? (size_t)(dot + 1 - a->path) : 0;

	return is_part(a) && is_part(b) && n > SPLIT_ENDING_LENGTH && strlen(a->path) == strlen(b->path) &&
	       memcmp(a->path, b->path, n - SPLIT_ENDING_LENGTH) == 0 && strcmp(b->path + n, a->path + n) == 0;
}

static void forget_sums(struct model_file *file, size_t n_mapped)
{
	struct model_facts *f = &file->facts;

	f->n_params = f->weight_bytes = f->active_params = f->active_weight_bytes = ABSENT;
	f->quantization[0] = f->digest[0] = f->tensor_types[0] = 0;
	for (int i = 0; i < N_TENSOR_CLASSES; i++)
		f->params[i] = f->bytes[i] = ABSENT;
	snprintf(file->error, sizeof(file->error),
		 "the model is split over %" PRId64
		 " files, of which %zu could be read: its weights cannot be summed up",
		 f->split_count, n_mapped);
}

static int compare_parts(const void *pa, const void *pb)
{
	const struct model_file *a = pa, *b = pb;

	return (a->facts.split_no > b->facts.split_no) - (a->facts.split_no < b->facts.split_no);
}

/* One file in the place of the n parts at `files`. @return 0, -ENOMEM */
static int join_parts(struct model_file *files, size_t n)
{
	struct model_facts *parts = calloc(n, sizeof(*parts)), joined;

	if (!parts)
		return -ENOMEM;
	qsort(files, n, sizeof(*files), compare_parts);
	for (size_t i = 0; i < n; i++)
		parts[i] = files[i].facts;
	if (model_facts__join(&joined, parts, n) == 0) {
		files[0].facts = joined;
		memcpy(files[0].error, joined.missing, sizeof(files[0].error));
	} else {
		forget_sums(&files[0], n);
	}
	free(parts);
	return 0;
}

static int join_split_models(struct model_file *files, size_t *n)
{
	for (size_t i = 0; i < *n; i++) {
		size_t n_parts = 1;

		if (!is_part(&files[i]))
			continue;
		for (size_t k = i + 1; k < *n; k++)
			if (same_model(&files[i], &files[k])) {
				struct model_file part = files[k];

				memmove(&files[i + n_parts + 1], &files[i + n_parts],
					(k - i - n_parts) * sizeof(*files));
				files[i + n_parts++] = part;
			}
		if (join_parts(&files[i], n_parts))
			return -ENOMEM;
		memmove(&files[i + 1], &files[i + n_parts], (*n - i - n_parts) * sizeof(*files));
		*n -= n_parts - 1;
	}
	return 0;
}

/* --- the interface -------------------------------------------------------------------------------------------------- */

int model_file__all(uint32_t pid, struct model_file **out, size_t *n)
{
	struct process_map *maps = NULL;
	size_t n_maps = 0;
	int err = process__maps(pid, &maps, &n_maps);

	*out = NULL;
	*n = 0;
	for (size_t i = 0; i < n_maps && !err; i++) {
		struct model_file *more;

		if (!is_new_model(pid, maps, i))
			continue;
		more = realloc(*out, (*n + 1) * sizeof(*more));
		err = more ? 0 : -ENOMEM;
		if (err)
			break;
		*out = more;
		read_file(&more[(*n)++], pid, &maps[i]);
	}
	free(maps);
	if (!err)
		err = join_split_models(*out, n);
	if (err) {
		free(*out);
		*out = NULL;
		*n = 0;
	}
	return err;
}

const struct model_file *model_file__largest(const struct model_file *files, size_t n)
{
	const struct model_file *largest = n ? &files[0] : NULL;

	for (size_t i = 1; i < n; i++)
		if (files[i].facts.weight_bytes > largest->facts.weight_bytes)
			largest = &files[i];
	return largest;
}

static int64_t sum_of(int64_t a, int64_t b)
{
	int64_t sum;

	return a == ABSENT || b == ABSENT || __builtin_add_overflow(a, b, &sum) ? ABSENT : sum;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

/* Files without the matrix use the embedding in its place, as model_facts.c has it. */
static int64_t output_bytes(const struct model_facts *f)
{
	return f->params[TENSOR_OUTPUT] == 0 && !f->no_output ? f->bytes[TENSOR_EMBEDDING] : f->bytes[TENSOR_OUTPUT];
}

void model_file__row(const struct model_file *file, struct row_model *row)
{
	const struct model_facts *f = &file->facts;

	*row = (struct row_model){
		.name = f->name[0] ? f->name : base_name(file->path),
		.path = file->path,
		.arch = or_null(f->arch),
		.quantization = or_null(f->quantization),
		.n_params = f->n_params,
		.weight_bytes = f->weight_bytes,
		.n_layers = f->n_layers,
		.n_embd = f->n_embd,
		.n_heads = f->n_heads,
		.n_kv_heads = f->n_kv_heads,
		.attention_flops_per_pair = f->attention_flops_per_pair,
		.kv_elements_per_token = f->kv_elements_per_token,
		.n_vocab = f->n_vocab,
		.n_experts = f->n_experts,
		.n_experts_used = f->n_experts_used,
		.active_params = f->active_params,
		.active_weight_bytes = f->active_weight_bytes,
		.digest = or_null(f->digest),
		.header_error = or_null(file->error),
		.tensor_types = or_null(f->tensor_types),
		.lookup_params = sum_of(f->params[TENSOR_EMBEDDING], f->params[TENSOR_LOOKUP]),
		.expert_params = f->params[TENSOR_EXPERT],
		.nextn_params = f->params[TENSOR_NEXTN],
		.context_length = f->context_length,
		.device = file->device,
		.inode = file->inode,
		.expert_weight_bytes = f->bytes[TENSOR_EXPERT],
		.output_weight_bytes = output_bytes(f),
		.lookup_weight_bytes = sum_of(f->bytes[TENSOR_EMBEDDING], f->bytes[TENSOR_LOOKUP]),
		.sliding_window = f->sliding_window,
	};
}

/* @return from 1; 0 where there are too many */
static int number_of(struct model_numbers *numbers, uint32_t pid, const struct model_file *file)
{
	for (int i = 0; i < numbers->n; i++)
		if (numbers->known[i].pid == pid && numbers->known[i].device == file->device &&
		    numbers->known[i].inode == file->inode)
			return i + 1;
	if (numbers->n == MAX_KNOWN_MODELS)
		return 0;
	numbers->known[numbers->n].pid = pid;
	numbers->known[numbers->n].device = file->device;
	numbers->known[numbers->n].inode = file->inode;
	return ++numbers->n;
}

void model_file__write(struct model_numbers *numbers, struct recording_writer *writer, uint32_t pid)
{
	struct model_file *files = NULL;
	size_t n = 0;

	model_file__all(pid, &files, &n);
	for (size_t i = 0; i < n; i++) {
		struct row_model row;

		model_file__row(&files[i], &row);
		row.id = number_of(numbers, pid, &files[i]);
		row.pid = pid;
		if (row.id)
			recording_writer__model(writer, &row);
	}
	free(files);
}
