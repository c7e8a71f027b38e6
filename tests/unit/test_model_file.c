/* SPDX-License-Identifier: Apache-2.0 */
/* The model files that a process has mapped: this one maps some and looks at itself. */
#include "tests/unit/gguf_example.h"
#include "tests/unit/recording_example.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "userspace/model_file.h"

#define BLOB "sha256-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct mapped {
	void *at;
	size_t n;
};

static void write_bytes(const struct folder *f, const char *name, const void *bytes, size_t n)
{
	char path[600];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	out = fopen(path, "we");
	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(out);
}

static void write_model(const struct folder *f, const char *name, struct gguf_file g)
{
	gguf_file__end(&g);
	write_bytes(f, name, g.bytes, g.n);
	free(g.bytes);
}

static struct mapped map(const struct folder *f, const char *name)
{
	char path[600];
	struct mapped m;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	m.n = (size_t)st.st_size;
	m.at = mmap(NULL, m.n, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(m.at != MAP_FAILED);
	close(fd);
	return m;
}

static void unmap(struct mapped m)
{
	munmap(m.at, m.n);
}

static struct model_file *all(size_t n_expected)
{
	struct model_file *files;
	size_t n;

	assert_int_equal(model_file__all((uint32_t)getpid(), &files, &n), 0);
	assert_int_equal(n, n_expected);
	return files;
}

static struct gguf_file part(uint32_t no, uint32_t count)
{
	struct gguf_file g = gguf_file__begin(3);

	if (no == 0)
		put_shape(&g, "in parts");
	key_u32(&g, "split.no", no);
	key_u32(&g, "split.count", count);
	tensor(&g, no ? "output.weight" : "blk.0.attn_q.weight", 64, 64, 1, F16, 8192);
	return g;
}

static void a_process_without_a_model_has_none(void **state)
{
	char path[600];

	(void)state;
	all(0);
	assert_int_equal(model_file__find((uint32_t)getpid(), path, sizeof(path)), -ENOENT);
	assert_null(model_file__largest(NULL, 0));
}

static void the_header_of_a_mapped_file_is_read(void **state)
{
	struct folder *f = *state;
	struct model_file *files;
	struct row_model row;
	struct mapped m;

	write_model(f, "a.gguf", small_model("Small"));
	m = map(f, "a.gguf");
	files = all(1);
	model_file__row(&files[0], &row);
	assert_string_equal(row.name, "Small");
	assert_string_equal(row.arch, "llama");
	assert_int_equal(row.n_layers, 2);
	assert_int_equal(row.weight_bytes, 1280 + 2 * 8192 + 256 + 1280);
	assert_null(row.header_error);
	free(files);
	unmap(m);
}

static void a_deleted_file_is_read_through_its_mapping(void **state)
{
	struct folder *f = *state;
	struct model_file *files;
	char path[600];
	struct mapped m;

	if (geteuid() != 0)
		skip(); /* map_files wants privilege */
	write_model(f, "a.gguf", small_model("Gone"));
	m = map(f, "a.gguf");
	snprintf(path, sizeof(path), "%s/a.gguf", f->path);
	unlink(path);
	write_model(f, "a.gguf", small_model("Another of the name"));
	files = all(1);
	assert_string_equal(files[0].facts.name, "Gone");
	assert_string_equal(files[0].path, path);
	free(files);
	unmap(m);
}

static void a_file_named_by_its_digest_is_a_model_if_it_begins_as_one(void **state)
{
	struct folder *f = *state;
	struct model_file *files;
	struct mapped model, other;

	write_model(f, BLOB, small_model("Blob"));
	write_bytes(f, BLOB "00", "license", 7);
	model = map(f, BLOB);
	other = map(f, BLOB "00");
	files = all(1);
	assert_string_equal(files[0].facts.name, "Blob");
	free(files);
	unmap(model);
	unmap(other);
}

static void a_file_whose_header_is_not_read_has_no_facts_and_a_reason(void **state)
{
	struct folder *f = *state;
	struct model_file *files;
	struct row_model row;
	struct mapped m;

	write_bytes(f, "a.safetensors", "\0\0\0\0\0\0\0\0{}", 10);
	m = map(f, "a.safetensors");
	files = all(1);
	model_file__row(&files[0], &row);
	assert_string_equal(row.name, "a.safetensors");
	assert_int_equal(row.n_params, ABSENT);
	assert_int_equal(row.weight_bytes, ABSENT);
	assert_null(row.arch);
	assert_null(row.digest);
	assert_string_equal(row.header_error, "at byte 8: the header ends where '{' should stand");
	free(files);
	unmap(m);
	write_bytes(f, "b.gguf", "GGUF\3\0\0\0", 8);
	m = map(f, "b.gguf");
	files = all(1);
	assert_string_equal(files[0].error,
			    "at byte 8: the number of tensors of 8 bytes runs past the file's end at byte 8");
	free(files);
	unmap(m);
}

static void a_model_in_two_files_is_one_and_half_of_it_has_no_sums(void **state)
{
	struct folder *f = *state;
	struct mapped first, second, other;
	struct model_file *files;

	write_model(f, "m-00001-of-00002.gguf", part(0, 2));
	write_model(f, "m-00002-of-00002.gguf", part(1, 2));
	write_model(f, "draft.gguf", small_model("Draft"));
	first = map(f, "m-00001-of-00002.gguf");
	other = map(f, "draft.gguf");
	files = all(2);
	for (int i = 0; i < 2; i++)
		if (files[i].facts.split_count == 2) {
			assert_string_equal(files[i].facts.name, "in parts");
			assert_int_equal(files[i].facts.n_layers, 2);
			assert_int_equal(files[i].facts.weight_bytes, ABSENT);
			assert_non_null(strstr(files[i].error, "split over 2 files, of which 1 could be read"));
		}
	assert_string_equal(model_file__largest(files, 2)->facts.name, "Draft");
	free(files);
	second = map(f, "m-00002-of-00002.gguf");
	files = all(2);
	assert_string_equal(model_file__largest(files, 2)->facts.name, "Draft");
	for (int i = 0; i < 2; i++)
		if (files[i].facts.split_count == 2) {
			assert_int_equal(files[i].facts.weight_bytes, 2 * 8192);
			assert_string_equal(files[i].error, "");
			assert_non_null(strstr(files[i].path, "m-00001-of-00002.gguf"));
		}
	free(files);
	unmap(first);
	unmap(second);
	unmap(other);
}

static void safetensors_in_two_files_are_one_model(void **state)
{
	static const char first[] = "\x51\0\0\0\0\0\0\0"
				    "{\"model.embed_tokens.weight\":{\"dtype\":\"F16\",\"shape\":[4,2],"
				    "\"data_offsets\":[0,16]}}"
				    "................",
			  second[] = "\x51\0\0\0\0\0\0\0"
				     "{\"model.layers.2.mlp.weight\":{\"dtype\":\"F32\",\"shape\":[3,2],"
				     "\"data_offsets\":[0,24]}}"
				     "........................";
	struct folder *f = *state;
	struct mapped maps[2];
	struct model_file *files;

	write_bytes(f, "m-00001-of-00002.safetensors", first, 8 + 0x51 + 16);
	write_bytes(f, "m-00002-of-00002.safetensors", second, 8 + 0x51 + 24);
	maps[0] = map(f, "m-00001-of-00002.safetensors");
	maps[1] = map(f, "m-00002-of-00002.safetensors");
	files = all(1);
	assert_string_equal(files[0].error, "");
	assert_int_equal(files[0].facts.n_params, 8 + 6);
	assert_int_equal(files[0].facts.weight_bytes, 16 + 24);
	assert_int_equal(files[0].facts.n_layers, 3);
	assert_int_equal(files[0].facts.n_vocab, 4);
	assert_string_equal(files[0].facts.tensor_types, "F32 24, F16 16");
	free(files);
	unmap(maps[0]);
	unmap(maps[1]);
}

static void a_model_keeps_its_number_when_more_are_mapped(void **state)
{
	struct folder *f = *state;
	struct recording_writer *w = open_writer(f);
	struct model_numbers numbers = { .n = 0 };
	struct mapped first, second;
	struct recording r;

	write_model(f, "a.gguf", small_model("First"));
	write_model(f, "b.gguf", small_model("Second"));
	first = map(f, "a.gguf");
	model_file__write(&numbers, w, (uint32_t)getpid());
	second = map(f, "b.gguf");
	model_file__write(&numbers, w, (uint32_t)getpid());
	assert_int_equal(recording_writer__close(w, true), 0);
	load(&r, f->file);
	assert_int_equal(r.n_models, 2);
	assert_string_equal(r.models[0].name, "First");
	assert_string_equal(r.models[1].name, "Second");
	assert_int_equal(r.models[1].pid, getpid());
	assert_int_equal(r.models[1].kv_elements_per_token, 128);
	recording__free(&r);
	unmap(first);
	unmap(second);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, folder__set_up, folder__tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_process_without_a_model_has_none),
		TEST(the_header_of_a_mapped_file_is_read),
		TEST(a_deleted_file_is_read_through_its_mapping),
		TEST(a_file_named_by_its_digest_is_a_model_if_it_begins_as_one),
		TEST(a_file_whose_header_is_not_read_has_no_facts_and_a_reason),
		TEST(a_model_in_two_files_is_one_and_half_of_it_has_no_sums),
		TEST(safetensors_in_two_files_are_one_model),
		TEST(a_model_keeps_its_number_when_more_are_mapped),
	};

	return cmocka_run_group_tests_name("model files", tests, NULL, NULL);
}
