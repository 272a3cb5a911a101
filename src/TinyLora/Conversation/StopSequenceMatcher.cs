using System.Text;

namespace TinyLora.Conversation;

/// <summary>
/// Holds back the end of a text as long as a stop sequence may begin there, so that no part of one is ever passed on.
/// </summary>
internal sealed class StopSequenceMatcher
{
    private readonly byte[][] _sequences;
    private readonly byte[] _held;
    private int _count;

    /// <param name="sequences">The stop sequences; none is empty.</param>
    /// <param name="maxTextBytes">Bytes that <see cref="Append"/> is given at most.</param>
    public StopSequenceMatcher(IReadOnlyCollection<string> sequences, int maxTextBytes)
    {
        _sequences = new byte[sequences.Count][];
        int longest = 0, i = 0;
        foreach (var sequence in sequences)
        {
            _sequences[i] = Encoding.UTF8.GetBytes(sequence);
            longest = Math.Max(longest, _sequences[i++].Length);
        }
        _held = new byte[longest + maxTextBytes];
    }

    /// <summary>Text that can be passed on now; valid until the next call.</summary>
    public ReadOnlySpan<byte> Ready => _held.AsSpan(0, ReadyCount);

    private int ReadyCount { get; set; }

    /// <summary>Forgets all text.</summary>
    public void Clear() => _count = ReadyCount = 0;

    /// <summary>Takes the next text; true if a stop sequence is complete: <see cref="Ready"/> is then the rest before it.</summary>
    public bool Append(ReadOnlySpan<byte> utf8)
    {
        DropReady();
        utf8.CopyTo(_held.AsSpan(_count));
        _count += utf8.Length;
        var text = _held.AsSpan(0, _count);
        var first = -1;
        foreach (var sequence in _sequences)
        {
            var at = text.IndexOf(sequence);
            if (at >= 0 && (first < 0 || at < first)) first = at;
        }
        if (first >= 0)
        {
            ReadyCount = first;
            return true;
        }
        var held = 0;
        foreach (var sequence in _sequences)
        {
            for (var length = Math.Min(sequence.Length - 1, text.Length); length > held; length--)
            {
                if (text.EndsWith(sequence.AsSpan(0, length))) held = length;
            }
        }
        ReadyCount = _count - held;
        return false;
    }

    /// <summary>Makes all that is held ready: the text has ended.</summary>
    public void Flush()
    {
        DropReady();
        ReadyCount = _count;
    }

    private void DropReady()
    {
        _held.AsSpan(ReadyCount, _count - ReadyCount).CopyTo(_held);
        _count -= ReadyCount;
        ReadyCount = 0;
    }
}
