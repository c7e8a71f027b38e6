/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding an engine: the mapped file with a symbol that a profile recognises, and its neighbours in the same directory
 * (libllama.so beside libllama-common.so); in them the functions that the profile names.
 */
#include "userspace/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "userspace/dwarf_layout.h"
#include "userspace/engine_version.h"
#include "userspace/process.h"

/* A symbol of the profile found in one of the modules. */
struct found {
	const struct profile_section *section; /* NULL: build_number or a getter */
	const struct profile_symbol *pattern;
	uint32_t module;
	struct elf_symbol symbol;
};

struct finder {
	struct engine_instance *out;
	const struct engine_profile *profile;
	struct elf_file *files[ENGINE_MAX_MODULES];
	struct found *found;
	size_t n_found, capacity;
};

/* --- files of no interest ------------------------------------------------------------------------------------------ */

#define MAX_CACHED 16384

struct engine_cache {
	struct {
		uint64_t device, inode;
	} files[MAX_CACHED];
	size_t n;
};

struct engine_cache *engine_cache__new(void)
{
	return calloc(1, sizeof(struct engine_cache));
}

void engine_cache__free(struct engine_cache *cache)
{
	free(cache);
}

static bool engine_cache__has(const struct engine_cache *cache, const struct process_map *map)
{
	size_t i;

	for (i = 0; cache && i < cache->n; i++)
		if (cache->files[i].inode == map->inode && cache->files[i].device == map->device)
			return true;
	return false;
}

static void engine_cache__add(struct engine_cache *cache, const struct process_map *map)
{
	if (!cache || cache->n == MAX_CACHED)
		return;
	cache->files[cache->n].device = map->device;
	cache->files[cache->n++].inode = map->inode;
}

/* --- mapped files -------------------------------------------------------------------------------------------------- */

/*
 * Through map_files, which takes privilege, or else by name in the process's own root: enough to look, where it is still
 * the same file.
 */
static int open_mapped(struct elf_file **out, uint32_t pid, const struct process_map *map)
{
	char path[600];
	int err;

	process__map_file(pid, map, path, sizeof(path));
	err = elf_file__open(out, path);
	if (err != -EPERM && err != -EACCES)
		return err;
	if (map->deleted)
		return err;
	snprintf(path, sizeof(path), "/proc/%u/root%s", pid, map->path);
	return elf_file__open(out, path);
}

static bool is_code(const struct process_map *map)
{
	return map->executable && map->inode && map->path[0] == '/';
}

static bool seen_before(const struct process_map *maps, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (is_code(&maps[j]) && maps[j].inode == maps[i].inode && maps[j].device == maps[i].device)
			return true;
	return false;
}

static int add_module(struct finder *f, uint32_t pid, const struct process_map *map, struct elf_file *file)
{
	struct engine_instance *out = f->out;
	struct engine_module *m = &out->modules[out->n_modules];

	process__map_file(pid, map, m->attach_path, sizeof(m->attach_path));
	snprintf(m->path, sizeof(m->path), "%s", map->path);
	m->device = map->device;
	m->inode = map->inode;
	m->deleted = map->deleted;
	if (elf_file__bias(file, map->start, map->offset, map->end - map->start, &m->load_bias))
		return -ENOEXEC;
	if (elf_file__build_id(file, m->build_id, sizeof(m->build_id)))
		m->build_id[0] = 0;
	f->files[out->n_modules++] = file;
	return 0;
}

static const struct engine_profile *recognise(const struct elf_file *file, const struct engine_profiles *profiles)
{
	const struct engine_profile *profile;
	const char *names[PROFILE_MAX_SYMBOLS];
	struct elf_match *matches;
	size_t i, n;

	for (profile = profiles->profiles; profile < profiles->profiles + profiles->n; profile++) {
		for (i = 0; i < profile->n_recognise; i++)
			names[i] = profile->recognise[i];
		if (elf_file__find(file, names, profile->n_recognise, &matches, &n))
			continue;
		for (i = 0; i < n && !matches[i].symbol.function; i++)
			;
		free(matches);
		if (i < n)
			return profile;
	}
	return NULL;
}

/* The module that carries the engine. @return its index in maps; negative errno: -ENOENT, or why files were not read */
static int find_engine(struct finder *f, uint32_t pid, const struct engine_profiles *profiles,
		       struct engine_cache *cache, const struct process_map *maps, size_t n)
{
	int refused = -ENOENT, err;
	struct elf_file *file;
	size_t i;

	for (i = 0; i < n; i++) {
		if (!is_code(&maps[i]) || seen_before(maps, i) || engine_cache__has(cache, &maps[i]))
			continue;
		err = open_mapped(&file, pid, &maps[i]);
		if (err == -EPERM || err == -EACCES)
			refused = -EACCES;
		if (err)
			continue;
		f->profile = recognise(file, profiles);
		if (f->profile && add_module(f, pid, &maps[i], file) == 0)
			return (int)i;
		elf_file__free(file);
		if (!f->profile)
			engine_cache__add(cache, &maps[i]);
	}
	return refused;
}

static bool same_directory(const char *a, const char *b)
{
	const char *slash_a = strrchr(a, '/'), *slash_b = strrchr(b, '/');

	return slash_a && slash_b && slash_a - a == slash_b - b && strncmp(a, b, (size_t)(slash_a - a)) == 0;
}

static void add_neighbours(struct finder *f, uint32_t pid, const struct process_map *maps, size_t n, size_t engine)
{
	struct elf_file *file;
	size_t i;

	for (i = 0; i < n && f->out->n_modules < ENGINE_MAX_MODULES; i++) {
		if (i == engine || !is_code(&maps[i]) || seen_before(maps, i) ||
		    (maps[i].inode == maps[engine].inode && maps[i].device == maps[engine].device) ||
		    !same_directory(maps[i].path, maps[engine].path))
			continue;
		if (open_mapped(&file, pid, &maps[i]) == 0 && add_module(f, pid, &maps[i], file))
			elf_file__free(file);
	}
}

/* --- symbols ------------------------------------------------------------------------------------------------------- */

struct wanted {
	const struct profile_section *section;
	const struct profile_symbol *pattern;
};

#define MAX_LENGTH_GETTERS                                                                                             \
	(sizeof(((struct engine_profile *)0)->length_getters) / sizeof(((struct engine_profile *)0)->length_getters[0]))
#define MAX_WANTED (PROFILE_MAX_SECTIONS * PROFILE_MAX_SYMBOLS + 5 + MAX_LENGTH_GETTERS)

static size_t list_wanted(const struct engine_profile *profile, struct wanted *wanted, const char **patterns)
{
	const char *const specials[] = {
		profile->build_number,	  profile->memory_getter, profile->graph.op_names,
		profile->graph.node_name, profile->graph.length,
	};
	size_t n = 0, i, j;

	for (i = 0; i < profile->n_sections; i++)
		for (j = 0; j < profile->sections[i].n_symbols; j++) {
			wanted[n] = (struct wanted){ &profile->sections[i], &profile->sections[i].symbols[j] };
			patterns[n++] = profile->sections[i].symbols[j].pattern;
		}
	for (i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
		if (specials[i][0]) {
			wanted[n] = (struct wanted){ NULL, NULL };
			patterns[n++] = specials[i];
		}
	for (i = 0; i < MAX_LENGTH_GETTERS && profile->length_getters[i][0]; i++) {
		wanted[n] = (struct wanted){ NULL, NULL };
		patterns[n++] = profile->length_getters[i];
	}
	return n;
}

static int add_found(struct finder *f, const struct found *found)
{
	if (f->n_found == f->capacity) {
		size_t wanted = f->capacity ? 2 * f->capacity : 64;
		struct found *bigger = realloc(f->found, wanted * sizeof(*bigger));

		if (!bigger)
			return -ENOMEM;
		f->found = bigger;
		f->capacity = wanted;
	}
	f->found[f->n_found++] = *found;
	return 0;
}

static int find_symbols(struct finder *f)
{
	struct wanted *wanted = calloc(MAX_WANTED, sizeof(*wanted));
	const char **patterns = calloc(MAX_WANTED, sizeof(*patterns));
	size_t n_wanted, n, i;
	struct elf_match *matches;
	uint32_t m;
	int err = wanted && patterns ? 0 : -ENOMEM;

	n_wanted = err ? 0 : list_wanted(f->profile, wanted, patterns);
	for (m = 0; m < f->out->n_modules && !err; m++) {
		err = elf_file__find(f->files[m], patterns, n_wanted, &matches, &n);
		for (i = 0; i < n && !err; i++)
			err = add_found(f, &(struct found){ wanted[matches[i].pattern].section,
							    wanted[matches[i].pattern].pattern, m, matches[i].symbol });
		free(matches);
	}
	free(patterns);
	free(wanted);
	return err;
}

static const struct found *find_special(const struct finder *f, const char *name)
{
	size_t i;

	for (i = 0; i < f->n_found; i++)
		if (!f->found[i].section && strcmp(f->found[i].symbol.name, name) == 0)
			return &f->found[i];
	return NULL;
}

/* --- probes -------------------------------------------------------------------------------------------------------- */

static void miss(struct engine_instance *out, const char *point, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void miss(struct engine_instance *out, const char *point, const char *format, ...)
{
	struct engine_missing *m = &out->missing[out->n_missing];
	va_list args;

	if (out->n_missing == ENGINE_MAX_MISSING)
		return;
	out->n_missing++;
	snprintf(m->point, sizeof(m->point), "%s", point);
	va_start(args, format);
	vsnprintf(m->reason, sizeof(m->reason), format, args);
	va_end(args);
}

static bool has_probe(const struct engine_instance *out, enum probe_role role, uint32_t module,
		      const struct probe_place *place)
{
	size_t i;

	for (i = 0; i < out->n_probes; i++)
		if (out->probes[i].role == role && out->probes[i].module == module &&
		    out->probes[i].place.file_offset == place->file_offset)
			return true;
	return false;
}

static void add_probe(struct engine_instance *out, enum probe_role role, const struct found *found,
		      const struct probe_place *place)
{
	struct engine_probe *p = &out->probes[out->n_probes];

	if (has_probe(out, role, found->module, place))
		return;
	out->n_probes++;
	p->role = role;
	p->kind = found->pattern->kind;
	p->batch_stack = role == PROBE_STEP_ENTRY ? found->section->batch_stack : 0;
	p->batch_argument = role == PROBE_STEP_ENTRY ? found->section->batch_argument : 0;
	p->module = found->module;
	p->place = *place;
	snprintf(p->symbol, sizeof(p->symbol), "%s", found->symbol.name);
}

static void add_entry(struct finder *f, enum probe_role role, const struct found *found)
{
	struct engine_instance *out = f->out;
	struct probe_place entry;

	if (out->n_probes == MAX_ENGINE_PROBES) {
		miss(out, found->symbol.name, "more than %d probe points", MAX_ENGINE_PROBES);
		return;
	}
	probe_place__entry(f->files[found->module], &found->symbol, &entry);
	add_probe(out, role, found, &entry);
}

/* The entry and all returns of a function, or nothing: half of a pair would be worse than none. */
static void add_pair(struct finder *f, enum probe_role entry, enum probe_role leave, enum return_points points,
		     const struct found *found)
{
	struct engine_instance *out = f->out;
	struct return_places returns;
	struct probe_place first;
	size_t i;

	if (probe_place__returns(f->files[found->module], &found->symbol, points, &returns)) {
		miss(out, found->symbol.name, "its returns cannot be found: %s", returns.note);
		return;
	}
	if (returns.at[0].file_offset == found->symbol.file_offset)
		return; /* it begins with its return: an empty function, in which nothing happens */
	if (out->n_probes + 1 + returns.n > MAX_ENGINE_PROBES) {
		miss(out, found->symbol.name, "more than %d probe points", MAX_ENGINE_PROBES);
		return;
	}
	probe_place__entry(f->files[found->module], &found->symbol, &first);
	/* Of two probes at one address either may run first. */
	for (i = 0; i < returns.n; i++)
		if (returns.at[i].vaddr == first.vaddr)
			probe_place__start(&found->symbol, &first);
	add_probe(out, entry, found, &first);
	for (i = 0; i < returns.n; i++)
		add_probe(out, leave, found, &returns.at[i]);
}

static void add_step(struct finder *f, const struct found *found)
{
	add_pair(f, PROBE_STEP_ENTRY, PROBE_STEP_RETURN, RETURNS_WITH_VALUE, found);
}

static void add_ubatch(struct finder *f, const struct found *found)
{
	add_entry(f, PROBE_UBATCH, found);
}

static void add_memory(struct finder *f, const struct found *found)
{
	add_entry(f, PROBE_MEMORY, found);
}

static void add_speculation(struct finder *f, const struct found *found)
{
	add_pair(f, PROBE_SPECULATION_ENTRY, PROBE_SPECULATION_RETURN, RETURNS_ANY, found);
}

static const struct point_type {
	enum profile_section_kind section;
	uint32_t kind;
	const char *name;
	void (*add)(struct finder *f, const struct found *found);
	const char *loss; /* what is not known without it */
} point_types[] = {
	{ PROFILE_STEP, STEP_DECODE, "decode", add_step, "steps cannot be measured" },
	{ PROFILE_STEP, STEP_ENCODE, "encode", add_step, "passes of an encoder are not seen" },
	{ PROFILE_UBATCH, 0, "ubatch", add_ubatch, "rows per sequence only where the batch is public" },
	{ PROFILE_MEMORY, 0, "memory", add_memory, "prefix reuse and rollback are not seen" },
	{ PROFILE_SPECULATION, 0, "speculation", add_speculation,
	  "a draft model's steps are not told from the target's" },
};

static bool is_usable(const struct found *found)
{
	return found->symbol.function && found->symbol.file_offset != ELF_FILE_NO_OFFSET;
}

static bool has_symbol(const struct finder *f, const struct profile_section *section,
		       const struct profile_symbol *pattern)
{
	size_t i;

	for (i = 0; i < f->n_found; i++)
		if (f->found[i].section == section && (!pattern || f->found[i].pattern == pattern) &&
		    is_usable(&f->found[i]))
			return true;
	return false;
}

/* A name without '*' is probed in the first module that has it: the others' may only be a copy nobody calls. */
static bool is_copy(const struct finder *f, size_t i)
{
	size_t j;

	for (j = 0; j < i; j++)
		if (f->found[j].pattern == f->found[i].pattern && f->found[j].module != f->found[i].module &&
		    strcmp(f->found[j].symbol.name, f->found[i].symbol.name) == 0)
			return true;
	return false;
}

static void add_section(struct finder *f, const struct point_type *type, const struct profile_section *section)
{
	size_t i;

	for (i = 0; i < f->n_found; i++)
		if (f->found[i].section == section && is_usable(&f->found[i]) && !is_copy(f, i))
			type->add(f, &f->found[i]);
	for (i = 0; i < section->n_symbols; i++)
		if (!has_symbol(f, section, &section->symbols[i]))
			miss(f->out, section->symbols[i].pattern, "the engine has no such symbol");
}

/* The first alternative of which the engine has a symbol. Later ones may be there and not be what the server calls. */
static void add_points(struct finder *f, const struct point_type *type)
{
	const struct engine_profile *profile = f->profile;
	size_t i;

	for (i = 0; i < profile->n_sections; i++) {
		const struct profile_section *section = &profile->sections[i];

		if (section->section != type->section || section->kind != type->kind || !has_symbol(f, section, NULL))
			continue;
		add_section(f, type, section);
		return;
	}
	miss(f->out, type->name, "none of the profile's symbols is there (stripped, or an unknown build): %s",
	     type->loss);
}

/* --- calls that fill a batch --------------------------------------------------------------------------------------- */

static bool is_named(const struct finder *f, const struct profile_section *section, const char *function)
{
	size_t i;

	for (i = 0; i < f->n_found; i++)
		if (f->found[i].section == section && f->found[i].pattern->kind != BATCH_FAMILY &&
		    strcmp(f->found[i].symbol.name, function) == 0)
			return true;
	return false;
}

static bool has_batch_op(const struct finder *f, const struct profile_section *section, enum batch_op op)
{
	size_t i;

	for (i = 0; i < f->n_found; i++)
		if (f->found[i].section == section && f->found[i].pattern->kind == op && is_usable(&f->found[i]))
			return true;
	return false;
}

/* All of them or none, and none where there is one more that is not known: it may change what the others have filled in. */
static bool batch_is_whole(struct finder *f, const struct profile_section *section)
{
	enum batch_op op;
	size_t i;

	for (op = BATCH_CLEAR; op <= BATCH_FREE; op++)
		if (!has_batch_op(f, section, op)) {
			miss(f->out, "calls on a batch", "the profile needs the names of all of them in this build");
			return false;
		}
	for (i = 0; i < f->n_found; i++)
		if (f->found[i].section == section && f->found[i].pattern->kind == BATCH_FAMILY &&
		    f->found[i].symbol.function && !is_named(f, section, f->found[i].symbol.name)) {
			miss(f->out, f->found[i].symbol.name,
			     "the profile does not know what this call does to a batch");
			return false;
		}
	return true;
}

static void add_batch_calls(struct finder *f, const struct profile_section *section)
{
	size_t i;

	if (!batch_is_whole(f, section))
		return;
	if (f->out->n_probes + PROFILE_MAX_SYMBOLS > MAX_ENGINE_PROBES) {
		miss(f->out, "calls on a batch", "more than %d probe points", MAX_ENGINE_PROBES);
		return;
	}
	for (i = 0; i < f->n_found; i++)
		if (f->found[i].section == section && is_usable(&f->found[i]) && !is_copy(f, i) &&
		    f->found[i].pattern->kind <= BATCH_FREE)
			add_entry(f, PROBE_BATCH, &f->found[i]);
}

/* Where a step is given a private batch: by what its rows can be known when the ubatch's layout fails. */
static void add_batches(struct finder *f)
{
	const struct engine_profile *profile = f->profile;
	bool wanted = false;
	size_t i;

	for (i = 0; i < f->out->n_probes; i++)
		wanted |= f->out->probes[i].batch_argument != 0;
	for (i = 0; wanted && i < profile->n_sections; i++)
		if (profile->sections[i].section == PROFILE_BATCH &&
		    has_batch_op(f, &profile->sections[i], BATCH_ADD)) {
			add_batch_calls(f, &profile->sections[i]);
			return;
		}
	if (wanted)
		miss(f->out, "calls on a batch", "none is there: rows are unknown where the ubatch's layout fails");
}

/* --- what computes a graph ------------------------------------------------------------------------------------------- */

/* Nodes are told by the number of their operator and by their name: without either they are not probed. */
static bool find_graph_fields(struct finder *f)
{
	const struct profile_graph *g = &f->profile->graph;
	const struct found *names = find_special(f, g->op_names), *name = find_special(f, g->node_name);
	const struct found *length = find_special(f, g->length);
	struct engine_instance *out = f->out;
	uint64_t table;

	if (!g->node_op || !names || !is_usable(names) || !name || !is_usable(name)) {
		miss(out, "operators", "the functions that name operators and nodes are not there");
		return false;
	}
	if (disassemble__table(f->files[names->module], &names->symbol, &table) ||
	    disassemble__member_offset(f->files[name->module], &name->symbol, &out->node_name)) {
		miss(out, "operators", "where operators and nodes have their names cannot be read from the code");
		return false;
	}
	out->op_names = table + out->modules[names->module].load_bias;
	out->node_op = g->node_op;
	out->graph_nodes = LAYOUT_ABSENT;
	if (length && is_usable(length))
		disassemble__getter_offset(f->files[length->module], &length->symbol, 4, &out->graph_nodes);
	return true;
}

static void add_node(struct finder *f, const struct found *found)
{
	struct probe_place place;

	if (f->out->n_probes == MAX_ENGINE_PROBES)
		return;
	probe_place__argument(f->files[found->module], &found->symbol, &place);
	add_probe(f->out, PROBE_NODE, found, &place);
}

static void add_operator(struct finder *f, const struct found *found)
{
	switch ((enum operator_point)found->pattern->kind) {
	case OPERATOR_NODE:
		add_node(f, found);
		break;
	case OPERATOR_GRAPH:
		add_pair(f, PROBE_GRAPH_ENTRY, PROBE_GRAPH_RETURN, RETURNS_ANY, found);
		break;
	case OPERATOR_SAMPLING:
		add_pair(f, PROBE_SAMPLING_ENTRY, PROBE_SAMPLING_RETURN, RETURNS_ANY, found);
		break;
	}
}

static bool has_operator(const struct engine_instance *out, enum probe_role role)
{
	for (size_t i = 0; i < out->n_probes; i++)
		if (out->probes[i].role == role)
			return true;
	return false;
}

/* Nodes without the graphs that they are in have no end: then none of them is probed. */
static void add_operators(struct finder *f)
{
	const struct profile_section *section = NULL;
	struct engine_instance *out = f->out;
	const size_t n_before = out->n_probes;

	for (size_t i = 0; i < f->profile->n_sections; i++)
		if (f->profile->sections[i].section == PROFILE_OPERATORS)
			section = &f->profile->sections[i];
	if (!section || !find_graph_fields(f))
		return;
	for (size_t i = 0; i < f->n_found; i++)
		if (f->found[i].section == section && is_usable(&f->found[i]) && !is_copy(f, i))
			add_operator(f, &f->found[i]);
	if (has_operator(out, PROBE_NODE) && has_operator(out, PROBE_GRAPH_RETURN))
		return;
	miss(out, "operators", "the functions that compute a graph are not there, or their returns cannot be found");
	out->n_probes = n_before;
}

/* ------------------------------------------------------------------------------------------------------------------- */

static bool can_probe_steps(const struct engine_instance *out)
{
	size_t i;

	for (i = 0; i < out->n_probes; i++)
		if (out->probes[i].role == PROBE_STEP_ENTRY && out->probes[i].kind == STEP_DECODE)
			return true;
	return false;
}

/* --- structs ------------------------------------------------------------------------------------------------------- */

static bool layout_of_debug_information(struct finder *f)
{
	struct engine_instance *out = f->out;
	struct ubatch_layout *l = &out->layouts[0];
	size_t m;

	for (m = 0; m < out->n_modules; m++) {
		if (!f->profile->ubatch_struct[0] ||
		    dwarf_layout__find(f->files[m], f->profile->ubatch_struct, &l->fields))
			continue;
		snprintf(l->name, sizeof(l->name), "dwarf");
		snprintf(out->layout_source, sizeof(out->layout_source), "debug information");
		return true;
	}
	return false;
}

static bool layout_of_build(struct finder *f)
{
	struct engine_instance *out = f->out;
	size_t i, j, m;

	for (i = 0; i < f->profile->n_layouts; i++)
		for (j = 0; j < f->profile->layouts[i].n_builds; j++)
			for (m = 0; m < out->n_modules; m++) {
				if (strcmp(f->profile->layouts[i].builds[j], out->modules[m].build_id) != 0)
					continue;
				out->layouts[0] = f->profile->layouts[i];
				snprintf(out->layout_source, sizeof(out->layout_source), "build id %s",
					 out->modules[m].build_id);
				return true;
			}
	return false;
}

static bool same_fields(const struct ubatch_layout *a, const struct ubatch_layout *b)
{
	return memcmp(&a->fields, &b->fields, sizeof(a->fields)) == 0;
}

static void choose_layouts(struct finder *f)
{
	struct engine_instance *out = f->out;
	size_t i, j;

	out->layout_certain = layout_of_debug_information(f) || layout_of_build(f);
	if (out->layout_certain) {
		out->n_layouts = 1;
		return;
	}
	/* Two with the same offsets would both pass the self-check, which wants exactly one. */
	for (i = 0; i < f->profile->n_layouts; i++) {
		for (j = 0; j < out->n_layouts && !same_fields(&out->layouts[j], &f->profile->layouts[i]); j++)
			;
		if (j == out->n_layouts)
			out->layouts[out->n_layouts++] = f->profile->layouts[i];
	}
	snprintf(out->layout_source, sizeof(out->layout_source), "candidates");
}

static uint32_t field_of(const struct finder *f, const char *name, int bytes)
{
	const struct found *getter = name[0] ? find_special(f, name) : NULL;
	uint32_t offset = LAYOUT_ABSENT;

	if (getter && is_usable(getter))
		disassemble__getter_offset(f->files[getter->module], &getter->symbol, bytes, &offset);
	return offset;
}

static void find_context_fields(struct finder *f)
{
	f->out->context_memory = field_of(f, f->profile->memory_getter, 8);
	f->out->context_length = LAYOUT_ABSENT;
	for (size_t i = 0; i < MAX_LENGTH_GETTERS && f->out->context_length == LAYOUT_ABSENT; i++)
		f->out->context_length = field_of(f, f->profile->length_getters[i], 4);
}

static void find_version(struct finder *f)
{
	struct engine_instance *out = f->out;
	const struct found *number = find_special(f, f->profile->build_number);
	uint64_t address = number ? number->symbol.vaddr + out->modules[number->module].load_bias : 0;

	engine_version__find(out->pid, out->modules[0].path, address, out->version, sizeof(out->version));
}

/* ------------------------------------------------------------------------------------------------------------------- */

static int fill(struct finder *f)
{
	size_t i;
	int err = find_symbols(f);

	if (err)
		return err;
	snprintf(f->out->name, sizeof(f->out->name), "%s", f->profile->name);
	snprintf(f->out->profile, sizeof(f->out->profile), "%s", f->profile->source);
	for (i = 0; i < sizeof(point_types) / sizeof(point_types[0]); i++)
		add_points(f, &point_types[i]);
	add_batches(f);
	add_operators(f);
	choose_layouts(f);
	find_context_fields(f);
	find_version(f);
	return can_probe_steps(f->out) ? 0 : -ENOTSUP;
}

int engine__find_cached(struct engine_instance *out, uint32_t pid, const struct engine_profiles *profiles,
			struct engine_cache *cache)
{
	struct finder f = { .out = out };
	struct process_map *maps;
	size_t n, i;
	int err, engine;

	memset(out, 0, sizeof(*out));
	out->pid = pid;
	err = process__maps(pid, &maps, &n);
	if (err) {
		free(maps);
		return err;
	}
	engine = find_engine(&f, pid, profiles, cache, maps, n);
	if (engine >= 0) {
		add_neighbours(&f, pid, maps, n, (size_t)engine);
		err = fill(&f);
	} else {
		err = engine;
	}
	for (i = 0; i < out->n_modules; i++)
		elf_file__free(f.files[i]);
	free(f.found);
	free(maps);
	return err;
}

int engine__find(struct engine_instance *out, uint32_t pid, const struct engine_profiles *profiles)
{
	return engine__find_cached(out, pid, profiles, NULL);
}
