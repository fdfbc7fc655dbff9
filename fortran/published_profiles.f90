!> The published cost of many profiles at once. Observations are stored profile by profile: profile i has
!> those from first(i) to first(i+1) - 1.
module published_profiles
   use kinds, only: dp
   use pchip, only: bracketing_node, interpolate, interpolate_adjoint
   use published_cost, only: layer_weights, weighted_cost, weighted_cost_gradient
   implicit none (type, external)
   private

   public :: weights_of_profiles, costs_of_profiles

contains

   !> Weight of each observation, by its depth (m) and carbon (gC m-3).
   pure subroutine weights_of_profiles(first, depth, observed, weights)
      integer, intent(in) :: first(:)
      real(dp), intent(in) :: depth(:), observed(:)
      real(dp), intent(out) :: weights(:)
      integer :: i

      do i = 1, size(first) - 1
         associate (from => first(i), to => first(i + 1) - 1)
            weights(from:to) = layer_weights(observed(from:to), depth(from:to))
         end associate
      end do
   end subroutine weights_of_profiles

   !> Cost of each profile of modelled carbon (layer, profile), modelled values of the observations (gC m-3), and the
   !> derivative of each cost by layer.
   pure subroutine costs_of_profiles(soc, first, depth, observed, weights, cost, modelled, soc_bar)
      real(dp), intent(in) :: soc(:, :)
      integer, intent(in) :: first(:)
      real(dp), intent(in) :: depth(:), observed(:), weights(:)
      real(dp), intent(out) :: cost(:), modelled(:), soc_bar(:, :)
      integer :: node(size(depth)), i

      node = bracketing_node(depth)
      do i = 1, size(first) - 1
         associate (from => first(i), to => first(i + 1) - 1)
            call interpolate(soc(:, i), node(from:to), depth(from:to), modelled(from:to))
            cost(i) = weighted_cost(modelled(from:to), observed(from:to), weights(from:to))
            call interpolate_adjoint(soc(:, i), node(from:to), depth(from:to), &
               weighted_cost_gradient(modelled(from:to), observed(from:to), weights(from:to)), soc_bar(:, i))
         end associate
      end do
   end subroutine costs_of_profiles

end module published_profiles
