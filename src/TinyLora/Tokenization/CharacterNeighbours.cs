namespace TinyLora.Tokenization;

/// <summary>
/// Which two characters stand side by side inside some token. Where a text has two that do not, no merge can reach across, so the parts can
/// be encoded by themselves: the result is the same, and a text of any length needs little memory.
/// </summary>
internal sealed class CharacterNeighbours
{
    private readonly PairTable _pairs = new(1024);

    public void Add(int left, int right) => _pairs.Add(left, right, 0);

    public bool Contains(int left, int right) => left >= 0 && right >= 0 && _pairs.Find(left, right) != PairTable.None;
}
