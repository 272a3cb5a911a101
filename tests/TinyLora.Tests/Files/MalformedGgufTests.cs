using TinyLora.Files;
using TinyLora.Tests.Goldens;
using Xunit;

namespace TinyLora.Tests.Files;

/// <summary>The files whose fault lies in the container; what is wrong with a model or a vocabulary is their readers' to find.</summary>
public class MalformedGgufTests
{
    private const string Folder = "golden/gguf/malformed";

    private static readonly string[] s_containerFaults =
        ["magic", "version", "big_endian", "trunc", "tensor_count_2", "tensor_count_plus1", "kv_count", "key_", "string_", "array_", "tensor_name", "dims_", "ndims_", "tensor_type_99",
         "tensor_type_removed", "row_not_block", "tensor_duplicate", "offset_", "alignment_", "value_type", "bool_7", "type_unknown", "duplicate"];

    public static TheoryData<string, string> Rows()
    {
        var rows = new TheoryData<string, string>();
        if (!Shared.Has(Folder)) return new() { { "none", "missing" } };
        foreach (var table in (string[])["expected.tsv", "expected_lora.tsv"])
            foreach (var line in File.ReadLines(Shared.Path($"{Folder}/{table}")).Skip(1))
                rows.Add(line.Split('\t')[0], line.Split('\t')[1]);
        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(Rows))]
    public void Each_file_opens_or_is_refused_cheaply(string name, string expected)
    {
        var path = Shared.Path($"{Folder}/{name}");
        var error = Cost.Of(() => Record.Exception(() => GgufFile.Open(path).Dispose()));
        if (expected == "load") Assert.Null(error);
        if (error == null)
        {
            Assert.DoesNotContain(s_containerFaults, fault => Path.GetFileName(name).StartsWith(fault, StringComparison.Ordinal));
            return;
        }
        Assert.StartsWith(path, Assert.IsType<InvalidDataException>(error).Message);
        Assert.DoesNotContain('\n', error.Message);
    }
}
