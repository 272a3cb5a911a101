namespace TinyLora.Tokenization;

/// <summary>Which tokens end an answer: those that the files name, and those that are known to end a turn in a model's template.</summary>
internal static class EndOfGeneration
{
    public static bool[] Of(Vocabulary vocabulary, List<int> named)
    {
        var ends = new bool[vocabulary.Count];
        foreach (var token in named) ends[token] = true;
        Mark("<|im_end|>"u8);
        Mark("<|eot_id|>"u8);
        Mark("<|eom_id|>"u8);
        Mark("<|endoftext|>"u8);
        Mark("<|end_of_text|>"u8);
        Mark("<|end|>"u8);
        Mark("<end_of_turn>"u8);
        // Plain text in the vocabularies of code.
        Mark("</s>"u8, plain: false);
        return ends;

        void Mark(ReadOnlySpan<byte> text, bool plain = true)
        {
            var token = plain ? vocabulary.Find(text) : vocabulary.FindAdded(text);
            if (token >= 0) ends[token] = true;
        }
    }
}
