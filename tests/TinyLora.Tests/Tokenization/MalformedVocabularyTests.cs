using TinyLora.Tests.Files;
using TinyLora.Tests.Goldens;
using TinyLora.Tokenization;
using Xunit;

namespace TinyLora.Tests.Tokenization;

/// <summary>Damaged vocabularies in GGUF files that are sound otherwise.</summary>
public class MalformedVocabularyTests
{
    private const string Folder = "golden/gguf/malformed";

    // The other rows damage the container or the model.
    private static readonly string[] s_vocabularyFaults =
        ["missing_model", "missing_scores", "vocab_size_", "scores_", "types_", "tokens_", "bos_", "eos_", "merges_"];

    public static TheoryData<string, string> Rows()
    {
        if (!Shared.Has(Folder)) return new() { { "none", "missing" } };
        var rows = new TheoryData<string, string>();
        foreach (var line in File.ReadLines(Shared.Path($"{Folder}/expected.tsv")).Skip(1)) rows.Add(line.Split('\t')[0], line.Split('\t')[1]);
        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(Rows))]
    public void Each_file_opens_or_is_refused(string name, string expected)
    {
        var path = Shared.Path($"{Folder}/{name}");
        var error = Cost.Of(() => Record.Exception(() => Tokenizer.Open(path).Encode("the end", special: true)));
        if (expected == "load") Assert.Null(error);
        if (error == null)
        {
            Assert.DoesNotContain(s_vocabularyFaults, fault => Path.GetFileName(name).StartsWith(fault, StringComparison.Ordinal));
            return;
        }
        Assert.StartsWith(path, Assert.IsType<InvalidDataException>(error).Message);
        Assert.DoesNotContain('\n', error.Message);
    }
}
