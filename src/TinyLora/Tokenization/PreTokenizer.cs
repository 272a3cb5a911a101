namespace TinyLora.Tokenization;

/// <summary>
/// Cuts a text into the pieces within which byte-level tokens are merged. State machines for what the tokenizers' files write as regular
/// expressions (the flavour in which alternatives are tried in order, each as long as it can be):
/// <code>
/// gpt-2      's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// smollm     every \p{N} is a piece; gpt-2 on what lies between
/// llama-bpe  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
/// qwen2      the same with \p{N} instead of \p{N}{1,3}
/// </code>
/// </summary>
internal sealed class PreTokenizer
{
    private const string Llama3Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Qwen2Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const string Gpt2Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public static readonly PreTokenizer Gpt2 = new("gpt-2", Gpt2Pattern) { _words = true, _numberLength = int.MaxValue };
    public static readonly PreTokenizer SmolLm = new("smollm", null) { _words = true, _numberLength = 1, _numbersApart = true };
    public static readonly PreTokenizer LlamaBpe = new("llama-bpe", Llama3Pattern) { _numberLength = 3 };
    public static readonly PreTokenizer Qwen2 = new("qwen2", Qwen2Pattern) { _numberLength = 1 };

    private readonly string? _pattern;
    private bool _words; // GPT-2's family: a space belongs to the word, number or signs behind it
    private bool _numbersApart; // numbers are cut out first, so what lies before one ends there
    private int _numberLength; // most characters of a number

    private PreTokenizer(string name, string? pattern)
    {
        Name = name;
        _pattern = pattern;
    }

    /// <summary>Name in GGUF's <c>tokenizer.ggml.pre</c>.</summary>
    public string Name { get; }

    public static PreTokenizer? ByName(string name) => name switch
    {
        "gpt-2" => Gpt2,
        "smollm" => SmolLm,
        "llama-bpe" or "llama3" or "llama-v3" => LlamaBpe,
        "qwen2" => Qwen2,
        _ => null,
    };

    public static PreTokenizer? ByPattern(string pattern) => pattern switch
    {
        Llama3Pattern => LlamaBpe,
        Qwen2Pattern => Qwen2,
        Gpt2Pattern => Gpt2,
        _ => null,
    };

    /// <summary>Bytes of the first piece of a text that is not empty.</summary>
    public int Next(ReadOnlySpan<byte> text)
    {
        if (text[0] == (byte)'\'')
        {
            var contraction = Contraction(text, anyCase: !_words);
            if (contraction > 0) return contraction;
        }
        return _words ? NextWord(text) : NextLine(text);
    }

    private int NextWord(ReadOnlySpan<byte> text)
    {
        var kind = CharacterClasses.Next(text, out _);
        if (text[0] == (byte)' ' && text.Length > 1)
        {
            var behind = CharacterClasses.Next(text[1..], out _);
            var isApart = behind == CharacterClass.Space || (behind == CharacterClass.Number && _numbersApart);
            if (!isApart) return Run(text, 1, behind, int.MaxValue);
        }
        if (kind == CharacterClass.Space) return Spaces(text);
        return Run(text, 0, kind, kind == CharacterClass.Number ? _numberLength : int.MaxValue);
    }

    private int NextLine(ReadOnlySpan<byte> text)
    {
        var kind = CharacterClasses.Next(text, out var length);
        if (kind == CharacterClass.Letter) return Run(text, 0, CharacterClass.Letter, int.MaxValue);
        if (kind == CharacterClass.Number) return Run(text, 0, CharacterClass.Number, _numberLength);

        var behind = length < text.Length ? CharacterClasses.Next(text[length..], out _) : CharacterClass.Space;
        if (behind == CharacterClass.Letter && !IsLineEnd(text[0])) return Run(text, length, CharacterClass.Letter, int.MaxValue);
        if (kind == CharacterClass.Other) return LineEnds(text, Run(text, 0, CharacterClass.Other, int.MaxValue));
        if (text[0] == (byte)' ' && behind == CharacterClass.Other) return LineEnds(text, Run(text, 1, CharacterClass.Other, int.MaxValue));

        var spaces = text[..Run(text, 0, CharacterClass.Space, int.MaxValue)];
        var lineEnd = spaces.LastIndexOfAny((byte)'\r', (byte)'\n');
        return lineEnd >= 0 ? lineEnd + 1 : Spaces(text);
    }

    /// <summary><c>\s+(?!\S)|\s+</c>: all the white space at a text's end, else all but the last character of it, else that one.</summary>
    private int Spaces(ReadOnlySpan<byte> text)
    {
        var at = 0;
        var last = 0;
        while (at < text.Length)
        {
            var kind = CharacterClasses.Next(text[at..], out var length);
            if (kind == CharacterClass.Number && _numbersApart) return at;
            if (kind != CharacterClass.Space) return last > 0 ? last : at;
            last = at;
            at += length;
        }
        return at;
    }

    /// <summary>End of the characters of one class from <paramref name="start"/> on, at most so many.</summary>
    private static int Run(ReadOnlySpan<byte> text, int start, CharacterClass kind, int most)
    {
        var at = start;
        while (at < text.Length && most-- > 0)
        {
            if (CharacterClasses.Next(text[at..], out var length) != kind) break;
            at += length;
        }
        return at;
    }

    private static int LineEnds(ReadOnlySpan<byte> text, int at)
    {
        while (at < text.Length && IsLineEnd(text[at])) at++;
        return at;
    }

    private static bool IsLineEnd(byte b) => b is (byte)'\r' or (byte)'\n';

    private static int Contraction(ReadOnlySpan<byte> text, bool anyCase)
    {
        var first = Letter(text, 1, anyCase);
        if (first is 's' or 't' or 'm' or 'd') return 2;
        var second = Letter(text, 2, anyCase);
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    private static char Letter(ReadOnlySpan<byte> text, int at, bool anyCase)
    {
        if (at >= text.Length) return '\0';
        var c = (char)text[at];
        return anyCase && char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;
    }
}
