/* SPDX-License-Identifier: Apache-2.0 */
#include "userspace/verify/processor.h"

#include <math.h>
#include <string.h>

#include "userspace/analysis/facts.h"

#define FASTEST_GHZ 6.5	/* no processor on the market has a faster clock; where the host does not say its own */

/*
 * Operations of a cycle of one CPU at most, in the number format in which it is fastest, multiplication and addition counted
 * apart; of a family of processors the largest. AMX: 16 rows x 16 columns x 64 bytes in 16 cycles; VNNI: two units of 64 bytes;
 * i8mm: four units of 16 bytes, twice that where vectors are longer. Bytes: twice the loads of a cycle that any of the family does
 * (two of 64 bytes with AVX-512, three of 32 before it; on Arm three of 16, two of 64 with the longest vectors).
 */
static const struct {
	const char *feature;
	double operations, bytes;
} peaks[] = {
	{ "sme", NAN, NAN },	  { "amx_tile", 2048, 256 }, { "avx512_vnni", 256, 256 }, { "avx512f", 256, 256 },
	{ "avx_vnni", 256, 192 }, { "avx2", 192, 192 },	     { "i8mm", 512, 256 },	  { "sve", 512, 256 },
	{ "asimddp", 256, 96 },	  { "asimd", 128, 96 },
};

static bool has_feature(const char *list, const char *feature)
{
	const size_t n = strlen(feature);

	for (const char *p = list; (p = strstr(p, feature)); p += n)
		if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ' '))
			return true;
	return false;
}

/* On x86 "sme" is AMD's encryption of memory (X86_FEATURE_SME of Linux), and no unit for matrices. */
static bool is_other_sme(const char *features, const char *feature)
{
	return strcmp(feature, "sme") == 0 && !has_feature(features, "asimd");
}

struct processor processor__of(const struct recording *r)
{
	const char *features = recording__meta(r, "cpu_features");
	const int64_t khz = recording__meta_int(r, "cpu_max_khz");
	const double ghz = khz == ABSENT || khz <= 0 ? FASTEST_GHZ : (double)khz / 1e6;

	for (size_t i = 0; features && i < sizeof(peaks) / sizeof(peaks[0]); i++)
		if (has_feature(features, peaks[i].feature) && !is_other_sme(features, peaks[i].feature))
			return (struct processor){ peaks[i].operations * ghz, peaks[i].bytes * ghz };
	return (struct processor){ NAN, NAN };
}
