/* SPDX-License-Identifier: MIT
 *
 * The helper of test_wire_oracle.sh: our side of each comparison with protoc.
 *
 *   oracle list            the samples: each with its message, HistoryChunk or InstanceArchive
 *   oracle encode NAME     writes the sample's message to stdout
 *   oracle decode NAME     reads a message from stdin; fails unless it is the sample
 */
#include <stdio.h>

#include "../samples.h"

static int list(void)
{
    for (size_t i = 0; i < sample_count; i++) {
        printf("%s HistoryChunk\n", samples[i].name);
    }
    for (size_t i = 0; i < archive_sample_count; i++) {
        printf("%s InstanceArchive\n", archive_samples[i].name);
    }
    return 0;
}

static int encode(const struct sample *sample, const struct archive_sample *of_archive)
{
    struct buffer buffer;
    pd_error err;
    int result = 1;
    buffer_init(&buffer);
    if (sample != NULL) {
        wire_write_event(&buffer, &sample->event);
        result = 0;
    } else if (wire_write_archive(&buffer, &of_archive->archive, &err) == PD_OK) {
        result = 0;
    }
    if (fwrite(buffer.at, 1, buffer.size, stdout) != buffer.size) {
        result = 1;
    }
    buffer_done(&buffer);
    return result;
}

static bool is_sample(const struct sample *sample, struct text bytes, struct arena *arena,
                      pd_error *err)
{
    struct wire_events events = { NULL, 0, 0 };
    return wire_read_events(bytes, arena, &events, err) == PD_OK && events.count == 1 &&
           sample_is_same(&events.at[0], &sample->event);
}

static bool is_archive(const struct archive_sample *sample, struct text bytes, struct arena *arena,
                       pd_error *err)
{
    struct archive archive;
    return wire_read_archive(bytes, arena, &archive, err) == PD_OK &&
           archive_is_same(&archive, &sample->archive);
}

static int decode(const struct sample *sample, const struct archive_sample *of_archive)
{
    char bytes[4096];
    struct text read = text_make(bytes, fread(bytes, 1, sizeof(bytes), stdin));
    struct arena arena;
    arena_init(&arena);
    pd_error err = { .text = "what protoc wrote reads as something else" };
    bool is_same = sample != NULL ? is_sample(sample, read, &arena, &err)
                                  : is_archive(of_archive, read, &arena, &err);
    if (!is_same) {
        fprintf(stderr, "%s\n", err.text);
    }
    arena_done(&arena);
    return is_same ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        return list();
    }
    const struct sample *sample = argc == 3 ? sample_find(argv[2]) : NULL;
    const struct archive_sample *of_archive = argc == 3 ? archive_sample_find(argv[2]) : NULL;
    if (sample != NULL || of_archive != NULL) {
        if (strcmp(argv[1], "encode") == 0) {
            return encode(sample, of_archive);
        }
        if (strcmp(argv[1], "decode") == 0) {
            return decode(sample, of_archive);
        }
    }
    fprintf(stderr, "usage: oracle list | encode NAME | decode NAME\n");
    return 2;
}
