using TinyLora.Tests.Files;
using TinyLora.Tests.Goldens;
using TinyLora.Tokenization;
using TinyLora.Weights;
using Xunit;

namespace TinyLora.Tests.Weights;

public class MalformedModelTests
{
    private const string Folder = "golden/gguf/malformed";

    // What is wrong with these is in the vocabulary: weights alone may open.
    private static readonly string[] s_vocabularyFaults =
        ["missing_model", "missing_scores", "scores_", "types_", "tokens_duplicate", "bos_", "eos_", "merges_"];

    public static TheoryData<string, string> Rows()
    {
        var rows = new TheoryData<string, string>();
        if (!Shared.Has(Folder)) return new() { { "none", "missing" } };
        foreach (var line in File.ReadLines(Shared.Path($"{Folder}/expected.tsv")).Skip(1)) rows.Add(line.Split('\t')[0], line.Split('\t')[1]);
        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(Rows))]
    public void Each_file_gives_what_the_table_says(string name, string expected)
    {
        var path = Shared.Path($"{Folder}/{name}");
        var inVocabulary = s_vocabularyFaults.Any(fault => Path.GetFileName(name).StartsWith(fault, StringComparison.Ordinal));
        var error = Cost.Of(() => Record.Exception(() => ModelWeights.Open(path).Dispose()));
        if (expected == "load" || inVocabulary) Assert.Null(error);
        if (error == null) error = Cost.Of(() => Record.Exception(() => Tokenizer.Open(path)));
        if (expected == "load")
        {
            Assert.Null(error);
            return;
        }
        Assert.StartsWith(path, Assert.IsType<InvalidDataException>(error).Message);
        Assert.DoesNotContain('\n', error.Message);
    }
}
